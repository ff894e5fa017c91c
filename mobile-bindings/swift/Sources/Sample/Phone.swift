import CountersignMobile
import Foundation

/// A phone from nothing to an approval: the same as the tests of Kotlin and Python do.
public struct Phone: Sendable {
    public let authenticator: Authenticator
    private let events: Events
    private let runs = Turns()

    // region: start
    /// The phone that is here, or a new one where there is none, also after a set-up that was cut short.
    public static func start(name: String, storage: some Storage, keychain: some Keychain) async throws -> Phone {
        let events = Events()
        let authenticator = switch try await findPhone(storage: storage, keychain: keychain) {
        case .noPhone: try await Authenticator.create(name: name, storage: storage, keychain: keychain, observer: events)
        case .phone: try await Authenticator.open(storage: storage, keychain: keychain, observer: events)
        case .remains(let problem): throw Remains(problem: problem)
        }
        return Phone(authenticator: authenticator, events: events)
    }

    /// What is left of a phone can be neither opened nor replaced. Show `problem`, and offer to erase it: if the person wants that, `erase` the keychain, then
    /// the storage, and start again.
    public struct Remains: Error {
        public let problem: String
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
    /// Connects, and asks about each request for itself: one that nobody answers holds up no other. Ends when its task is cancelled, takes the system's prompt
    /// away then, and may be called again: it waits for the one before, and what still waits is asked about anew.
    public func run(_ screens: some Screens) async throws {
        try await runs.take { try await serve(screens) }
    }

    private func serve(_ screens: some Screens) async throws {
        try await authenticator.connect()
        let (texts, tell) = AsyncStream.makeStream(of: String.self)
        let telling = Task { for await text in texts { await screens.tell(text) } }
        var asked: [String: Task<Void, Never>] = [:]
        func ask(_ request: PendingRequest) {
            guard asked[request.id] == nil else { return }
            asked[request.id] = Task { await answer(request, screens, tell) }
        }
        try authenticator.pending().forEach(ask)
        while let event = await events.next() {
            switch event {
            case .requestArrived(let request): ask(request)
            case .requestGone(let id, _): asked[id]?.cancel()
            case .attentionNeeded(let attention): tell.yield(attention.text)
            case .connectionChanged, .requestChanged, .settled: break
            }
        }
        asked.values.forEach { $0.cancel() }
        // Cancelling a task does not reach the library.
        try authenticator.cancelUnlock()
        for question in asked.values { await question.value }
        tell.finish()
        await telling.value
        // A job whose phone goes away while it waits has to ask anew, with another number.
        if try authenticator.pending().isEmpty { try await authenticator.disconnect() }
    }
    // endregion

    // region: answer
    private func answer(_ request: PendingRequest, _ screens: some Screens, _ tell: AsyncStream<String>.Continuation) async {
        // What went wrong may leave the request waiting: ask again.
        while waits(request), !Task.isCancelled {
            do {
                let answer = try await screens.ask(request)
                try Task.checkCancellation()
                // In a task of its own: what closes a question does not end the answer, and what comes of it is told.
                await Task { await give(answer, to: request, tell) }.value
            } catch where !Task.isCancelled {
                tell.yield(text(error))
                // A screen that can't ask now may be able to soon.
                try? await Task.sleep(for: .seconds(1))
            } catch {}
        }
    }

    private func give(_ answer: Answer, to request: PendingRequest, _ tell: AsyncStream<String>.Continuation) async {
        do {
            switch answer {
            case .yes(let number, let grant, let seed):
                // Checks the number, then has the keychain ask the person, then answers the job. No code comes here.
                try await authenticator.approve(requestId: request.id, number: number, codes: nil, grant: grant, seed: seed)
            case .no(let reason): try await authenticator.deny(requestId: request.id, reason: reason)
            case .block: try await authenticator.block(requestId: request.id)
            }
        } catch {
            tell.yield(text(error))
        }
    }

    private func waits(_ request: PendingRequest) -> Bool {
        (try? authenticator.pending())?.contains { $0.id == request.id } ?? false
    }

    private func text(_ error: any Error) -> String {
        (error as? AuthenticatorError)?.text ?? error.localizedDescription
    }
    // endregion
}
