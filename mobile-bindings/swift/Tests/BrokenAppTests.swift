import CountersignMobile
import Foundation
import Sample

/// An error that no trait knows, with a text that is nobody's business.
struct Strange: Error {
    let text = "private"
}

/// What the app brings throws, is slow, or fails.
enum BrokenAppTests {
    static let all: [Test] = [
        Test("a storage that throws changes nothing") { relay in
            for problem in [StorageError.Failed(detail: "the disk is full; make room"), Strange()] as [any Error] {
                let (phone, laptop) = try await Handset.ready(relay)
                let before = Totp.step()
                let job = try laptop.code()
                let (request, number) = (try await phone.events.arrived(), try await job.number())
                phone.storage.beforeSave.change { $0 = { _ in throw problem } }
                let failed = try await failure { try await phone.approve(request, number) }
                guard case .Storage(let text) = failed else { throw Wrong(description: "\(failed)") }
                try harmless(failed)
                try expect(problem is Strange || text.contains("make room"), text)
                try equal(phone.engine.pending().map(\.id), [request.id])
                phone.storage.beforeSave.change { $0 = { _ in } }
                try await phone.approve(request, number)
                try await job.endsWithCode(since: before)
            }
        },
        Test("the third write fails, and half a set-up is none") { _ in
            let (storage, keychain) = (MemoryStorage(), MemoryKeychain())
            storage.beforeSave.change { $0 = { if $0 == 3 { throw StorageError.Failed(detail: "the disk is full; make room") } } }
            let failed = try await failure { try await Authenticator.create(name: "pixel", storage: storage, keychain: keychain, observer: Inbox()) }
            guard case .Storage = failed else { throw Wrong(description: "\(failed)") }
            storage.beforeSave.change { $0 = { _ in } }
            _ = try await Authenticator.create(name: "pixel", storage: storage, keychain: keychain, observer: Inbox())
        },
        Test("a keychain that throws leaves the request waiting") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            let before = Totp.step()
            let job = try laptop.code()
            let (request, number) = (try await phone.events.arrived(), try await job.number())
            let passing: [any Error] = [
                KeychainError.LockedOut, KeychainError.NotRecognised, KeychainError.WrongPassphrase, KeychainError.Unavailable(detail: "no"), Strange(),
            ]
            for problem in passing {
                phone.keychain.beforeUnlock.change { $0 = { throw problem } }
                let failed = try await failure { try await phone.approve(request, number) }
                guard case .Unlock = failed else { throw Wrong(description: "\(failed)") }
                try harmless(failed)
            }
            for problem in [KeychainError.Invalidated, KeychainError.Missing] {
                phone.keychain.beforeUnlock.change { $0 = { throw problem } }
                guard case .SetUp = try await failure({ try await phone.approve(request, number) }) else { throw Wrong(description: "not SetUp") }
            }
            try equal(phone.engine.pending().map(\.id), [request.id])
            phone.keychain.beforeUnlock.change { $0 = {} }
            try await phone.approve(request, number)
            try await job.endsWithCode(since: before)
        },
        Test("an observer that throws is told the rest all the same") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            phone.events.before.change { $0 = { throw Strange() } }
            let before = Totp.step()
            let job = try laptop.code()
            try await phone.approve(phone.events.arrived(), job.number())
            try await job.endsWithCode(since: before)
            try await phone.events.settled()
        },
        Test("an observer that does not return holds up no approval") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            // The last that comes of enrolling: what blocks is told after it.
            try await phone.events.settled()
            let go = DispatchSemaphore(value: 0)
            phone.events.before.change { $0 = { go.wait() } }
            let before = Totp.step()
            let job = try laptop.code()
            try await phone.approve(phone.events.arrived(), job.number())
            try await job.endsWithCode(since: before)
            // What comes next waits until it returns, and comes then.
            phone.events.before.change { $0 = {} }
            go.signal()
            try await phone.events.settled()
        },
        Test("a screen that throws ends the pairing") { relay in
            final class Broken: PairingUi {
                func showDigits(name _: String, digits _: String) throws { throw Strange() }
            }
            let (laptop, phone) = (Laptop(relay), try await Handset.create())
            let screen = try laptop.pair("acme/widget")
            let text = try await screen.pairingText()
            let failed = try await failure { try await phone.engine.pair(code: text, ui: Broken()) }
            guard case .StartAgain = failed else { throw Wrong(description: "\(failed)") }
            try harmless(failed)
            try equal(phone.engine.pairings().count, 0)
            screen.stop()
        },
    ]

    @Sendable private static func harmless(_ error: AuthenticatorError) throws {
        try expect(!"\(error)".contains("private") && !"\(error)".contains("Strange"), "\(error)")
        try expect(!error.text.isEmpty)
    }
}
