import CountersignMobile
import Foundation
import Sample

/// The sample that docs/EMBEDDING.md shows does what it says there.
enum SampleTests {
    static let all: [Test] = [
        Test("the sample, from nothing to an approval, closed and opened") { relay in
            let folder = Folder()
            let blobs = folder.url.appendingPathComponent("blobs")
            let (storage, keychain) = (try FileStorage(folder: blobs), try FileKeychain(folder.url))
            let laptop: Laptop
            do {
                let scene = try await Scene.ready(relay, storage: storage, keychain: keychain)
                laptop = scene.laptop
                try await scene.runs { try await scene.approve() }
                // The app comes back to the front.
                try await scene.runs { try await scene.approve("other") }
            }
            // Closed and opened again, after somebody has damaged blobs.
            for name in ["requests", "history"] { try Data("nonsense".utf8).write(to: blobs.appendingPathComponent(name)) }
            let again = Scene(phone: try await Phone.start(name: "pixel", storage: storage, keychain: keychain), laptop: laptop)
            again.person.listens.change { $0 = false }
            try await again.runs {
                try equal(await again.person.hears(), "Requests under way were lost: start the jobs again")
                // A screen that has not done with the first word holds up no request, and hears the second after it.
                try await again.approve("third")
                again.person.listens.change { $0 = true }
                try equal(await again.person.hears(), "The history was lost")
            }
        },
        Test("the sample makes its phone after set-ups that were cut short") { _ in
            let whole = MemoryStorage()
            _ = try await Phone.start(name: "pixel", storage: whole, keychain: MemoryKeychain())
            let last = whole.saves.now
            try expect(last > 3, "\(last) writes")
            for first in 1...last {
                let (storage, keychain) = (MemoryStorage(), MemoryKeychain())
                // Killed, or the disk is full, from one write on.
                storage.beforeSave.change { $0 = { if $0 >= first { throw StorageError.Failed(detail: "the disk is full; make room") } } }
                do {
                    _ = try await Phone.start(name: "pixel", storage: storage, keychain: keychain)
                    try equal(first, last, "only the last write is one that can be made up for")
                } catch AuthenticatorError.Storage(let text) {
                    try expect(text.contains("make room"), text)
                }
                storage.beforeSave.change { $0 = { _ in } }
                let made = try await Phone.start(name: "tablet", storage: storage, keychain: keychain).authenticator.identity()
                try equal(made.name, first == last ? "pixel" : "tablet")
                let opened = try await Phone.start(name: "unused", storage: storage, keychain: keychain).authenticator.identity()
                try equal(opened, made)
            }
        },
        Test("the sample replaces no remains of a phone unless it is told to") { _ in
            let folder = Folder()
            let (storage, keychain) = (try FileStorage(folder: folder.url.appendingPathComponent("blobs")), try FileKeychain(folder.url))
            @Sendable func start(_ name: String) async throws -> Identity {
                try await Phone.start(name: name, storage: storage, keychain: keychain).authenticator.identity()
            }
            @Sendable func remains() async throws {
                do {
                    throw Wrong(description: "\(try await start("another")) in the place of what is left")
                } catch let remains as Phone.Remains {
                    try expect(remains.problem.contains("erase"), remains.problem)
                }
            }
            let first = try await start("pixel")
            try equal(await start("another"), first)
            // The app was installed again: its keychain is still there.
            try storage.erase()
            try await remains()
            try keychain.erase()
            try equal(await start("second").name, "second")
            // Killed in the middle of erasing.
            try keychain.erase()
            try await remains()
            try storage.erase()
            try equal(await start("third").name, "third")
        },
        Test("the sample asks again after a mistake, and after a screen that fails") { relay in
            let scene = try await Scene.ready(relay)
            try await scene.runs {
                let denied = try await scene.ask()
                denied.question.says(.no(reason: "not now"))
                try await denied.isDenied("not now")

                let mistyped = try await scene.ask("other")
                // A slip is no guess: it is asked about again.
                mistyped.question.says(.yes(number: "99", grant: false, seed: nil))
                try expect(await scene.person.hears().contains("6 digits"))
                let wrong = mistyped.number == "000000" ? "000001" : "000000"
                try await scene.person.asked().says(.yes(number: wrong, grant: false, seed: nil))
                try expect(!(await scene.person.hears()).isEmpty)
                _ = try await mistyped.job.end()

                let asked = try await scene.ask("third")
                asked.question.answer.change { $0 = .failure(Strange()) }
                try expect(!(await scene.person.hears()).isEmpty)
                let again = try await scene.person.asked()
                try equal(again.request.id, asked.question.request.id)
                again.says(asked.yes)
                try await asked.endsWithCode()
            }
        },
        Test("the sample closes a question whose request is gone, for whatever reason") { relay in
            let scene = try await Scene.ready(relay)
            try await scene.runs {
                try await scene.ask().isWithdrawn()

                let elsewhere = try await scene.ask()
                try await scene.phone.authenticator.deny(requestId: elsewhere.question.request.id, reason: "on another screen")
                try await elsewhere.question.closed.yes("a question that closes")
                try await elsewhere.isDenied("on another screen")

                let revoked = try await scene.ask()
                try await scene.phone.authenticator.revoke(pairingId: revoked.question.request.verified.pairingId)
                try await revoked.question.closed.yes("a question that closes")
                try equal(await revoked.job.end().code, 205)
            }
        },
        Test("the sample blocks a pairing") { relay in
            let scene = try await Scene.ready(relay)
            try await scene.runs {
                let blocked = try await scene.ask()
                blocked.question.says(.block)
                try await blocked.isDenied("this pairing was blocked")
            }
            try equal(scene.phone.authenticator.pairings().count, 0)
        },
        Test("the sample tells what came of an answer whose request went away meanwhile") { relay in
            let (keychain, prompt) = (MemoryKeychain(), Unanswered())
            let scene = try await Scene.ready(relay, keychain: keychain)
            keychain.beforeUnlock.change { $0 = prompt.prompt }
            try await scene.runs {
                let asked = try await scene.ask()
                asked.question.says(asked.yes)
                try await prompt.shown.yes("a prompt")
                asked.job.terminate()
                try await prompt.closed.yes("a prompt that closes")
                try expect(await scene.person.hears().contains("no longer waiting"), "what came of it")
                try equal(await asked.job.end().code, 130)
            }
        },
        Test("the sample, begun again, asks about what waits, each request once") { relay in
            let scene = try await Scene.ready(relay)
            let second = try await scene.with(Laptop(relay))
            try equal(scene.phone.authenticator.connections().count, 0, "nothing waits: it has disconnected")
            let first = try await scene.runs { try await scene.ask() }
            try expect(first.question.closed.now, "it ended with its task")
            try equal(scene.phone.authenticator.connections().map(\.state), [.connected], "the job still waits")
            // This one comes while nobody takes events.
            let job = try second.laptop.code("other")
            _ = try await job.number()
            let before = scene.person.times.now
            try await scene.runs {
                let questions = [try await scene.person.asked(), try await scene.person.asked()]
                guard let again = questions.first(where: { $0.request.id == first.question.request.id }),
                    let other = questions.first(where: { $0.request.id != first.question.request.id })
                else { throw Wrong(description: "\(questions.map(\.request))") }
                // The number is the same: the job did not have to ask anew.
                again.says(first.yes)
                try await first.endsWithCode()
                other.says(.no(reason: "no"))
                try equal(await job.end().code, 200)
                try equal(scene.person.times.now, before + 2)
            }
            try equal(scene.phone.authenticator.connections().count, 0)
        },
        Test("the sample, begun again before it has ended, stays connected") { relay in
            let scene = try await Scene.ready(relay)
            let first = Task { try await scene.phone.run(scene.person) }
            let waiting = try await scene.ask()
            waiting.question.says(.no(reason: "not today"))
            first.cancel()
            let second = Task { try await scene.phone.run(scene.person) }
            try await first.value
            let next = try await scene.ask()
            next.question.says(next.yes)
            try await next.endsWithCode()
            second.cancel()
            try await second.value
        },
        Test("the sample takes the prompt away when it ends, and the request waits") { relay in
            let (keychain, prompt) = (MemoryKeychain(), Unanswered())
            let scene = try await Scene.ready(relay, keychain: keychain)
            keychain.beforeUnlock.change { $0 = prompt.prompt }
            let running = Task { try await scene.phone.run(scene.person) }
            let waiting = try await scene.ask()
            waiting.question.says(waiting.yes)
            try await prompt.shown.yes("a prompt")
            running.cancel()
            try await prompt.closed.yes("the prompt is taken away")
            try await running.value
            try expect(await scene.person.hears().contains("cancelled"), "what came of it")
            try equal(scene.phone.authenticator.pending().map(\.id), [waiting.question.request.id])
            keychain.beforeUnlock.change { $0 = {} }
            try await scene.runs {
                try await scene.person.asked().says(waiting.yes)
                try await waiting.endsWithCode()
            }
        },
    ]
}
