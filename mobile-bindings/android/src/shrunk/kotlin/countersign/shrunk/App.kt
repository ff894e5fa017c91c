package countersign.shrunk

import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import kotlinx.coroutines.runBlocking
import uniffi.countersign_mobile.Attention
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Event
import uniffi.countersign_mobile.Found
import uniffi.countersign_mobile.Keychain
import uniffi.countersign_mobile.KeychainException
import uniffi.countersign_mobile.LostPart
import uniffi.countersign_mobile.Observer
import uniffi.countersign_mobile.PairingUi
import uniffi.countersign_mobile.SeedImport
import uniffi.countersign_mobile.Storage
import uniffi.countersign_mobile.findPhone

private const val URI = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME"

private class Memory : Storage, Keychain {
    val blobs = ConcurrentHashMap<String, ByteArray>()
    val secrets = ConcurrentHashMap<String, ByteArray>()

    override fun load(name: String) = blobs[name] ?: secrets[name]

    override fun save(name: String, bytes: ByteArray) {
        blobs[name] = bytes
    }

    override fun store(name: String, secret: ByteArray) {
        secrets[name] = secret
    }

    override suspend fun protect(name: String, secret: ByteArray, reason: String) {
        secrets["protected-$name"] = secret
    }

    override suspend fun unlock(name: String, reason: String) = secrets["protected-$name"] ?: throw KeychainException.Missing()
}

private object NoScreen : PairingUi {
    override fun showDigits(name: String, digits: String) = Unit
}

/** An app that has been shrunk (`app.pro`): every kind of call, callback, record, enum and exception crosses the boundary in both directions. */
fun main(): Unit = runBlocking {
    val memory = Memory()
    val events = LinkedBlockingQueue<Event>()
    val observer = object : Observer {
        override fun onEvent(event: Event) {
            events.add(event)
        }
    }
    check(findPhone(memory, memory) is Found.NoPhone)
    Authenticator.create("pixel", memory, memory, observer).use { phone ->
        val enrolled = SeedImport.fromText(URI).use { phone.enroll(it, listOf(0u), listOf()) }
        check(enrolled.single().label == "ACME:release")
    }
    memory.blobs["history"] = byteArrayOf(1)
    Authenticator.open(memory, memory, observer).use { phone ->
        val event = events.poll(30, TimeUnit.SECONDS) as Event.AttentionNeeded
        check(event.attention == Attention.Lost(LostPart.HISTORY))
        check(phone.seeds().single().label == "ACME:release")
        memory.secrets.remove("protected-unlock-root")
        check(fails { phone.backUp("correct horse battery", withUnlockKey = true) } is AuthenticatorException.SetUp)
        check(fails { phone.pair("nonsense", NoScreen) } is AuthenticatorException.BadInput)
    }
    println("shrunk, and it works")
}

private suspend fun fails(call: suspend () -> Any): AuthenticatorException = try {
    error("it gave ${call()}")
} catch (problem: AuthenticatorException) {
    problem
}
