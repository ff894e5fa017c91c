import CountersignMobile
import Foundation
import Sample

/// A phone whose storage and keys outlive the app.
final class Handset: @unchecked Sendable {
    let storage = MemoryStorage()
    let keychain = MemoryKeychain()
    private(set) var events = Inbox()
    private var opened: Authenticator?
    var engine: Authenticator {
        get throws {
            guard let opened else { throw Wrong(description: "the phone is closed") }
            return opened
        }
    }

    static func create() async throws -> Handset {
        let it = Handset()
        it.opened = try await Authenticator.create(name: "pixel", storage: it.storage, keychain: it.keychain, observer: it.events)
        return it
    }

    /// Lets go of the engine without a word, as a crash does.
    func drop() { opened = nil }

    /// Opens the phone anew from what is stored.
    func reopen() async throws {
        events = Inbox()
        opened = try await Authenticator.open(storage: storage, keychain: keychain, observer: events)
    }

    func connect() async throws {
        try await engine.connect()
        try await events.connected()
    }

    /// Pairs with `laptop` as a person does: scans, reads the digits, types them there.
    @discardableResult
    func pair(_ laptop: Laptop, _ name: String = "acme/widget") async throws -> Pairing {
        let screen = try laptop.pair(name)
        let (text, shown) = (try await screen.pairingText(), Watched<String?>(nil))
        async let paired = engine.pair(code: text, ui: Digits { _, digits in shown.change { $0 = digits } })
        screen.say(try await shown.take("six digits") { $0 })
        let ended = try await screen.end()
        try equal(ended.code, 0, ended.err)
        return try await paired
    }

    /// Has the phone read `uri` itself, sealed into the laptop's countersign.toml as `seed`.
    func enroll(_ laptop: Laptop, _ seed: String = "npm", _ uri: String = rfcUri) async throws {
        let job = try laptop.countersign("enroll", seed, "--json")
        let number = try await job.number()
        let request = try await events.arrived()
        try expect(request.needsSeed)
        let picture = try await SeedImport.fromPicture(picture: picture(uri))
        try await engine.approve(requestId: request.id, number: number, codes: nil, grant: true, seed: picture)
        let ended = try await job.end()
        try equal(ended.code, 0, ended.err)
    }

    func approve(_ request: PendingRequest, _ number: String) async throws {
        try await engine.approve(requestId: request.id, number: number, codes: nil, grant: false, seed: nil)
    }

    /// A phone and a laptop that are paired, connected, and have the seed `npm`.
    static func ready(_ relay: Relay) async throws -> (Handset, Laptop) {
        let (phone, laptop) = (try await create(), Laptop(relay))
        try await phone.pair(laptop)
        try await phone.connect()
        try await phone.enroll(laptop)
        return (phone, laptop)
    }
}
