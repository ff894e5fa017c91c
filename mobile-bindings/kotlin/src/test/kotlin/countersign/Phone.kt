package countersign

import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.Keychain
import uniffi.countersign_mobile.Observer
import uniffi.countersign_mobile.Pairing
import uniffi.countersign_mobile.PendingRequest
import uniffi.countersign_mobile.SeedImport

/** A Kotlin phone whose storage and keys outlive the app. */
class Phone private constructor(val storage: MemoryStorage, val keychain: MemoryKeychain) : AutoCloseable {
    lateinit var engine: Authenticator
        private set
    var events = Events()
        private set

    /** Opens the phone anew from what is stored. */
    suspend fun reopen(keychain: Keychain = this.keychain, observer: Observer? = null) {
        events = Events()
        engine = Authenticator.open(storage, keychain, observer ?: events)
    }

    suspend fun connect() {
        engine.connect()
        events.connected()
    }

    /** Pairs with `laptop` as a person does: scans, reads the digits, types them there. */
    suspend fun pair(laptop: Laptop, name: String = "acme/widget"): Pairing = coroutineScope {
        laptop.pair(name).use { screen ->
            val (text, ui) = screen.pairingText() to Digits()
            val paired = async { engine.pair(text, ui) }
            screen.say(ui.shown.await())
            val ended = screen.end()
            check(ended.code == 0) { ended }
            paired.await()
        }
    }

    /** Has the phone read `uri` itself, sealed into the laptop's countersign.toml as `seed`. */
    suspend fun enroll(laptop: Laptop, seed: String = "npm", uri: String = URI) {
        laptop.countersign("enroll", seed, "--json").use { job ->
            val number = job.number()
            val request = events.arrived()
            check(request.needsSeed)
            SeedImport.fromPicture(Pictures.qr(uri)).use { engine.approve(request.id, number, null, true, it) }
            val ended = job.end()
            check(ended.code == 0) { ended }
        }
    }

    suspend fun approve(request: PendingRequest, number: String) = engine.approve(request.id, number, null, false, null)

    override fun close() = engine.close()

    companion object {
        suspend fun create(storage: MemoryStorage = MemoryStorage(), keychain: MemoryKeychain = MemoryKeychain()): Phone {
            val phone = Phone(storage, keychain)
            phone.engine = Authenticator.create("pixel", storage, keychain, phone.events)
            return phone
        }
    }
}

/** A phone and a laptop that are paired, connected, and have the seed `npm`. */
class Setting private constructor(val relay: Relay, val phone: Phone, val laptop: Laptop) : AutoCloseable {
    override fun close() {
        phone.close()
        laptop.close()
    }

    companion object {
        suspend fun ready(relay: Relay = Relay.shared): Setting {
            val setting = Setting(relay, Phone.create(), Laptop(relay.url))
            setting.phone.pair(setting.laptop)
            setting.phone.connect()
            setting.phone.enroll(setting.laptop)
            return setting
        }
    }
}
