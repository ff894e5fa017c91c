import CountersignMobile
import Foundation

/// A phone from nothing to an approval: the same as the tests of Kotlin and Python do.
public struct Phone: Sendable {
    public let authenticator: Authenticator
    private let events: Events

    // region: start
    /// The phone that is here, or a new one where nothing was ever kept: of one that is damaged, `AuthenticatorError.SetUp` says what is missing.
    public static func start(name: String, storage: FileStorage, keychain: some Keychain) async throws -> Phone {
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

    /// Seals the seeds of a picture; gives the texts for `countersign.toml`.
    public func enroll(picture: Data) async throws -> [String] {
        let seeds = try await SeedImport.fromPicture(picture: picture)
        let usable = try seeds.entries().filter { $0.problem == nil }.map(\.index)
        return try await authenticator.enroll(seeds: seeds, indices: usable, recipients: []).map(\.sealed)
    }

    // region: run
    /// Connects, and asks about each request for itself: one that nobody answers holds up no other. Ends with its task, and may be called again.
    public func run(_ screens: some Screens) async throws {
        try await authenticator.connect()
        var asked: [String: Task<Void, Never>] = [:]
        while let event = await events.next() {
            switch event {
            case .requestArrived(let request):
                asked[request.id] = Task { await answer(request, screens) }
            case .requestGone(let id, let why):
                // Withdrawn: the question closes. Answered: what came of it is still told.
                let question = asked.removeValue(forKey: id)
                if why == .withdrawn { question?.cancel() }
            case .attentionNeeded(let attention):
                await screens.tell(attention.text)
            case .connectionChanged, .requestChanged, .settled:
                break
            }
        }
        asked.values.forEach { $0.cancel() }
        try await authenticator.disconnect()
    }
    // endregion

    // region: answer
    private func answer(_ request: PendingRequest, _ screens: some Screens) async {
        // What went wrong may leave the request waiting: ask again.
        while waits(request), let answer = try? await screens.ask(request) {
            do {
                switch answer {
                case .yes(let number, let grant, let seed):
                    // Checks the number, then has the keychain ask the person, then answers the job. No code comes here.
                    try await authenticator.approve(requestId: request.id, number: number, codes: nil, grant: grant, seed: seed)
                case .no(let reason):
                    try await authenticator.deny(requestId: request.id, reason: reason)
                }
                return
            } catch {
                await screens.tell((error as? AuthenticatorError)?.text ?? error.localizedDescription)
            }
        }
    }

    private func waits(_ request: PendingRequest) -> Bool {
        (try? authenticator.pending())?.contains { $0.id == request.id } ?? false
    }
    // endregion
}
