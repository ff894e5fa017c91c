import CountersignMobile
import Foundation

/// A phone from nothing to an approval: the same as the tests of Kotlin and Python do.
public struct Phone: Sendable {
    public let authenticator: Authenticator
    private let events: Events

    // region: start
    /// The phone that is here, or a new one. `AuthenticatorError.SetUp` says what is missing where neither is right.
    public static func start(name: String) async throws -> Phone {
        let storage = try FileStorage()
        let keychain = DeviceKeychain()
        let events = Events()
        let authenticator = if try storage.isEmpty() {
            try await Authenticator.create(name: name, storage: storage, keychain: keychain, observer: events)
        } else {
            try await Authenticator.open(storage: storage, keychain: keychain, observer: events)
        }
        return Phone(authenticator: authenticator, events: events)
    }
    // endregion

    // region: pair
    /// `scanned`: the text of the QR code that `countersign pair` shows, from the app's own camera screen and nowhere else.
    public func pair(scanned: String, show: @escaping @Sendable (String, String) -> Void) async throws -> String {
        try await authenticator.pair(code: scanned, ui: Digits(show: show)).name
    }
    // endregion

    /// Seals the seed of a picture; gives the text for `countersign.toml`.
    public func enroll(picture: Data) async throws -> [String] {
        let seeds = try await SeedImport.fromPicture(picture: picture)
        let usable = try seeds.entries().filter { $0.problem == nil }.map(\.index)
        return try await authenticator.enroll(seeds: seeds, indices: usable, recipients: []).map(\.sealed)
    }

    // region: run
    /// Connects, and puts every request on a screen. Ends with its task.
    public func run(_ screens: some Screens) async throws {
        try await authenticator.connect()
        for await event in events.stream {
            switch event {
            case .requestArrived(let request):
                Task { await answer(request, screens) }
            case .requestGone(let id, _):
                await screens.dismiss(requestId: id)
            case .connectionChanged(let connection):
                if case .waiting(let problem, _) = connection.state { await screens.tell(problem) }
            case .attentionNeeded(let attention):
                await screens.tell(text(attention))
            case .requestChanged, .settled:
                break
            }
        }
        try await authenticator.disconnect()
    }
    // endregion

    // region: answer
    private func answer(_ request: PendingRequest, _ screens: some Screens) async {
        var hint: String?
        while true {
            let answer = await screens.ask(
                verified: request.verified, claimed: request.claimed, needsSeed: request.needsSeed, hint: hint)
            do {
                switch answer {
                case .yes(let number, let grant, let seed):
                    try await authenticator.approve(requestId: request.id, number: number, codes: nil, grant: grant, seed: seed)
                case .no(let reason):
                    try await authenticator.deny(requestId: request.id, reason: reason)
                }
                return
            } catch {
                switch error {
                case AuthenticatorError.Unlock(let message), AuthenticatorError.BadInput(let message), AuthenticatorError.Storage(let message):
                    // The request still waits.
                    hint = message
                case AuthenticatorError.SetUp(let message):
                    // So it does here, until `restoreUnlockKey` has brought the key back from a backup.
                    return await screens.tell(message)
                default:
                    // WrongNumber, NotAllowed, StartAgain, Gone: it has ended.
                    return await screens.tell(error.localizedDescription)
                }
            }
        }
    }
    // endregion

    private func text(_ attention: Attention) -> String {
        switch attention {
        case .clockApart(let pairing, let seconds): "The clock of \(pairing) and this phone's are \(seconds) s apart"
        case .evicted: "Another device answers for this phone now"
        case .relayProblem(let relay, let problem): "\(relay): \(problem)"
        case .wakeUpRegistered(let pairing): "Run `countersign renew` at \(pairing) now"
        case .wakeUpRefused(let relay, let problem): "\(relay) will not wake this phone: \(problem)"
        case .storageProblem(let problem): problem
        case .lost(let what): what == .history ? "The history was lost" : "A part of this phone was lost: restore a backup"
        case .seedUnused(_, let label, _): "\(label) has not been used for long"
        }
    }
}
