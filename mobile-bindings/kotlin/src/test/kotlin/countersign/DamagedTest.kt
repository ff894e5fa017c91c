package countersign

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import uniffi.countersign_mobile.Attention
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Event
import uniffi.countersign_mobile.LostPart
import uniffi.countersign_mobile.SeedImport

/** Blobs that are damaged or gone: each is told by its name, and takes no other with it. */
class DamagedTest {
    @Test
    fun `one bad blob takes no other with it`() = test {
        Setting.ready().use { setting ->
            val phone = setting.phone
            val job = setting.laptop.code()
            phone.engine.deny(phone.events.arrived().id, "for the history")
            job.end()
            val identity = phone.engine.identity()
            phone.engine.disconnect()
            phone.engine.close()
            val parts = mapOf("seeds" to LostPart.SEEDS, "pairings" to LostPart.PAIRINGS, "requests" to LostPart.REQUESTS, "history" to LostPart.HISTORY)
            assertEquals(parts.keys + setOf("phone", "phone-copy", "complete"), phone.storage.blobs.keys)
            for ((name, part) in parts) {
                for (damaged in listOf(flipped(phone.storage.blobs.getValue(name)), byteArrayOf(), null)) {
                    val events = Events()
                    Authenticator.open(with(phone.storage, name, damaged), phone.keychain, events).use { engine ->
                        fun left(what: LostPart, size: Int) = assertEquals(if (what == part) 0 else 1, size.coerceAtMost(1), "$what without $name")
                        left(LostPart.SEEDS, engine.seeds().size)
                        left(LostPart.PAIRINGS, engine.pairings().size)
                        left(LostPart.HISTORY, engine.history().size)
                        assertEquals(identity, engine.identity())
                        engine.connect()
                        assertEquals(part, events.next { ((it as? Event.AttentionNeeded)?.attention as? Attention.Lost)?.what })
                        engine.disconnect()
                    }
                }
            }
        }
    }

    @Test
    fun `what the phone is has a copy, and without both nothing opens`() = test {
        Phone.create().use { phone ->
            val identity = phone.engine.identity()
            for (name in listOf("phone", "phone-copy")) {
                Authenticator.open(with(phone.storage, name, byteArrayOf()), phone.keychain, Events()).use { assertEquals(identity, it.identity()) }
            }
            val neither = with(with(phone.storage, "phone", byteArrayOf()), "phone-copy", byteArrayOf())
            val failure = fails<AuthenticatorException.SetUp> { Authenticator.open(neither, phone.keychain, Events()) }
            assertTrue(failure.message!!.contains("Bring its files and its device key back, all of them from one time"), failure.message)
            assertEquals(0, neither.saves.get(), "nothing was changed")
        }
    }

    @Test
    fun `what was lost stays known until somebody accepts it`() = test {
        Phone.create().use { phone ->
            suspend fun opened(body: suspend (Authenticator) -> Unit) = Authenticator.open(phone.storage, phone.keychain, Events()).use { body(it) }
            phone.engine.close()
            phone.storage.blobs["seeds"] = byteArrayOf()
            opened {
                assertEquals(listOf(LostPart.SEEDS), it.lost())
                // The list is written anew, and is no longer damaged.
                it.enroll(SeedImport.fromText(URI), listOf(0u), listOf())
            }
            opened {
                assertEquals(listOf(LostPart.SEEDS), it.lost())
                assertEquals(1, it.seeds().size)
                it.acceptLoss()
                assertEquals(listOf<LostPart>(), it.lost())
            }
            opened { assertEquals(listOf<LostPart>(), it.lost()) }
        }
    }

    private fun flipped(bytes: ByteArray) = bytes.copyOf().also { it[it.size / 2] = (it[it.size / 2] + 1).toByte() }

    /** A copy with one blob replaced, or without it. */
    private fun with(storage: MemoryStorage, name: String, bytes: ByteArray?) = MemoryStorage().apply {
        blobs.putAll(storage.blobs)
        if (bytes == null) blobs.remove(name) else blobs[name] = bytes
    }
}
