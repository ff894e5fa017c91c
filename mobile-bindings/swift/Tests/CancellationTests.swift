import CountersignMobile
import Foundation
import Sample

/// A prompt that nobody answers.
final class Unanswered: Sendable {
    let shown = Watched(false)
    let closed = Watched(false)
    /// The app's own way to end it.
    private let ended = Watched<KeychainError?>(nil)

    @Sendable func prompt() async throws {
        shown.change { $0 = true }
        throw try await withTaskCancellationHandler {
            try await ended.take("the end of the prompt") { $0 }
        } onCancel: {
            closed.change { $0 = true }
            end()
        }
    }

    func end() { ended.change { $0 = .Cancelled } }
}

extension Watched<Bool> {
    func yes(_ what: String) async throws { try await take(what) { $0 ? () : nil } }
}

/// Tasks that are cancelled, and many at once.
enum CancellationTests {
    static let all: [Test] = [
        Test("a person who closes the prompt leaves the request waiting") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            let before = Totp.step()
            let job = try laptop.code()
            let (request, number) = (try await phone.events.arrived(), try await job.number())
            phone.keychain.beforeUnlock.change { $0 = { throw KeychainError.Cancelled } }
            guard case .Unlock(let text) = try await failure({ try await phone.approve(request, number) }) else { throw Wrong(description: "") }
            try expect(!text.isEmpty)
            try equal(phone.engine.pending().map(\.id), [request.id])
            phone.keychain.beforeUnlock.change { $0 = {} }
            try await phone.approve(request, number)
            try await job.endsWithCode(since: before)
        },
        // What docs/MOBILE.md says of Swift. If this fails, uniffi has learnt it: say so there.
        Test("cancelling a task does not reach an approval that is under way") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            let before = Totp.step()
            let job = try laptop.code()
            let (request, number) = (try await phone.events.arrived(), try await job.number())
            let prompt = Unanswered()
            phone.keychain.beforeUnlock.change { $0 = prompt.prompt }
            let approving = Task { try await phone.approve(request, number) }
            try await prompt.shown.yes("a prompt")
            approving.cancel()
            phone.keychain.beforeUnlock.change { $0 = {} }
            // Another call goes on meanwhile, and the prompt is still there.
            try equal(phone.engine.pending().map(\.id), [request.id])
            try expect(!prompt.closed.now)
            // The person closes it.
            prompt.end()
            guard case .failure(let error) = await approving.result, case AuthenticatorError.Unlock = error else {
                throw Wrong(description: "it has not waited for its prompt")
            }
            try await phone.approve(request, number)
            try await job.endsWithCode(since: before)
        },
        Test("an approval whose request goes away fails, and takes its prompt along") { relay in
            let ends: [(Int32, @Sendable (Handset, Running, PendingRequest) async throws -> Void)] = [
                (130, { _, job, _ in job.terminate() }),
                (200, { phone, _, request in try await phone.engine.deny(requestId: request.id, reason: "on second thoughts") }),
                (205, { phone, _, request in try await phone.engine.revoke(pairingId: request.verified.pairingId) }),
            ]
            for (code, end) in ends {
                let (phone, laptop) = try await Handset.ready(relay)
                let job = try laptop.code()
                let (request, number) = (try await phone.events.arrived(), try await job.number())
                let prompt = Unanswered()
                phone.keychain.beforeUnlock.change { $0 = prompt.prompt }
                async let approving = failure { try await phone.approve(request, number) }
                try await prompt.shown.yes("a prompt")
                try await end(phone, job, request)
                // The library cancels the task of `unlock`.
                try await prompt.closed.yes("a prompt that closes")
                guard case .Gone(let text) = try await approving else { throw Wrong(description: "not gone") }
                try expect(!text.isEmpty)
                try equal(await phone.events.gone(), request.id)
                try equal(await job.end().code, code)
            }
        },
        Test("a pairing that is cancelled stores nothing") { relay in
            let (laptop, phone) = (Laptop(relay), try await Handset.create())
            let screen = try laptop.pair("acme/widget")
            let (text, shown) = (try await screen.pairingText(), Watched<String?>(nil))
            async let pairing = failure { try await phone.engine.pair(code: text, ui: Digits { _, digits in shown.change { $0 = digits } }) }
            let digits = try await shown.take("six digits") { $0 }
            try phone.engine.cancelPairing()
            _ = try await pairing
            screen.say(digits)
            // 204 if the digits crossed the phone's goodbye: what is sent then goes nowhere.
            let ended = try await screen.end()
            try expect([203, 204].contains(ended.code), "\(ended)")
            try expect(!FileManager.default.fileExists(atPath: laptop.config.path), "the laptop has stored nothing either")
            try equal(phone.engine.pairings().count, 0)
            try equal(await phone.pair(laptop).name, "acme/widget")
        },
        Test("fifty tasks call while requests come and go") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            let engine = try phone.engine
            let (pairing, seed) = (try engine.pairings()[0].id, try engine.seeds()[0].id)
            let (calls, refused) = (Watched(0), Watched(0))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<50 {
                    group.addTask {
                        while !Task.isCancelled {
                            do {
                                try await call(engine, number, pairing, seed)
                            } catch AuthenticatorError.Gone {
                                refused.change { $0 += 1 }
                            }
                            calls.change { $0 += 1 }
                            // Swift has as many threads as processors, and what never waits would keep its own for itself.
                            await Task.yield()
                        }
                    }
                }
                for _ in 0..<8 {
                    let job = try laptop.code()
                    try await engine.deny(requestId: phone.events.arrived().id, reason: "no")
                    try equal(await job.end().code, 200)
                }
                group.cancelAll()
                try await group.waitForAll()
            }
            try expect(calls.now > 1000, "\(calls.now) calls")
            try expect(refused.now > 0)
            // All is as it was, and it still works.
            try equal([engine.pairings().count, engine.seeds().count], [1, 1])
            try await engine.allow(pairingId: pairing, seedId: seed, allowed: true)
            let before = Totp.step()
            let job = try laptop.code()
            try await phone.approve(phone.events.arrived(), job.number())
            try await job.endsWithCode(since: before)
        },
        Test("twenty approvals of one request make one answer") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            let before = Totp.step()
            let job = try laptop.code()
            let (request, number) = (try await phone.events.arrived(), try await job.number())
            let answers = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        do {
                            try await phone.approve(request, number)
                            return true
                        } catch AuthenticatorError.Gone {
                            return false
                        }
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            try equal(answers, 1)
            try await job.endsWithCode(since: before)
        },
    ]

    @Sendable private static func call(_ engine: Authenticator, _ number: Int, _ pairing: String, _ seed: String) async throws {
        switch number % 10 {
        case 0: try expect(engine.pending().allSatisfy { $0.verified.pairing == "acme/widget" })
        case 1: try equal(engine.identity().name, "pixel")
        case 2: _ = try engine.history()
        case 3: try equal(engine.seeds().map(\.label), ["ACME:release"])
        case 4: try equal(engine.pairings().map(\.id), [pairing])
        case 5: try await engine.allow(pairingId: pairing, seedId: seed, allowed: true)
        case 6: try await engine.deny(requestId: String(repeating: "00", count: 16), reason: "no such request")
        case 7: try equal(engine.connections().count, 1)
        case 8: try await engine.connect()
        default: try await engine.removeWakeUp(relay: nil)
        }
    }
}
