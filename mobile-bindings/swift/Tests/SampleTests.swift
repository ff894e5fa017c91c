import CountersignMobile
import Foundation
import Sample

/// A person, by a script: keeps what was asked until a test answers.
private final class Person: Screens {
    struct Question: Sendable {
        let request: PendingRequest
        let answer: Watched<Result<Answer, any Error>?>
        let closed: Watched<Bool>
    }

    private let questions = Watched<[Question]>([])
    private let told = Watched<[String]>([])

    func ask(_ request: PendingRequest) async throws -> Answer {
        let question = Question(request: request, answer: Watched(nil), closed: Watched(false))
        questions.change { $0.append(question) }
        return try await withTaskCancellationHandler {
            try await question.answer.take("an answer") { $0 }.get()
        } onCancel: {
            question.closed.change { $0 = true }
            question.answer.change { $0 = .failure(CancellationError()) }
        }
    }

    func tell(_ text: String) async { told.change { $0.append(text) } }

    func asked() async throws -> Question { try await questions.take("a question") { $0.isEmpty ? nil : $0.removeFirst() } }

    func hears() async throws -> String { try await told.take("a word") { $0.isEmpty ? nil : $0.removeFirst() } }
}

/// The sample that docs/EMBEDDING.md shows does what it says there.
enum SampleTests {
    static let all: [Test] = [
        Test("the sample, from nothing to an approval, closed and opened") { relay in
            let (folder, laptop, person) = (Folder(), Laptop(relay), Person())
            let blobs = folder.url.appendingPathComponent("blobs")
            let (storage, keychain) = (try FileStorage(folder: blobs), try FileKeychain(folder.url))
            do {
                let phone = try await Phone.start(name: "pixel", storage: storage, keychain: keychain)
                try await running(phone, person) {
                    try await pair(phone, laptop)
                    try await enroll(person, laptop)
                    try await approve(person, laptop)
                }
                // The app comes back to the front.
                try await running(phone, person) { try await approve(person, laptop, seed: "other") }
            }
            // Closed and opened again, after somebody has damaged a blob.
            try Data("nonsense".utf8).write(to: blobs.appendingPathComponent("history"))
            let phone = try await Phone.start(name: "pixel", storage: FileStorage(folder: blobs), keychain: keychain)
            try await running(phone, person) {
                try equal(await person.hears(), "The history was lost")
                try await approve(person, laptop, seed: "third")
            }
        },
        Test("the sample closes a question whose job is gone, and asks again after a mistake") { relay in
            let (folder, laptop, person) = (Folder(), Laptop(relay), Person())
            let storage = try FileStorage(folder: folder.url.appendingPathComponent("blobs"))
            let phone = try await Phone.start(name: "pixel", storage: storage, keychain: FileKeychain(folder.url))
            try await running(phone, person) {
                try await pair(phone, laptop)
                try await enroll(person, laptop)
                let gone = try laptop.code()
                _ = try await gone.number()
                let question = try await person.asked()
                gone.terminate()
                try await question.closed.yes("a question that closes")
                try equal(await gone.end().code, 130)

                let denied = try laptop.code()
                _ = try await denied.number()
                try await person.asked().answer.change { $0 = .success(.no(reason: "not now")) }
                let ended = try await denied.end()
                try equal(ended.code, 200, ended.err)
                try expect(ended.err.contains("not now"))

                let mistyped = try laptop.code()
                let wrong = try await mistyped.number().hasPrefix("9") ? "00" : "99"
                try await person.asked().answer.change { $0 = .success(.yes(number: wrong, grant: false, seed: nil)) }
                _ = try await person.hears()
                mistyped.terminate()
                _ = try await mistyped.end()
            }
        },
        Test("the sample's storage replaces files whole, and says what is wrong") { _ in
            let folder = Folder()
            let storage = try FileStorage(folder: folder.url.appendingPathComponent("blobs"))
            try expect(storage.isEmpty())
            try equal(storage.load(name: "phone"), nil)
            try storage.save(name: "phone", bytes: Data([1, 2, 3]))
            try storage.save(name: "phone", bytes: Data([4]))
            try equal(storage.load(name: "phone"), Data([4]))
            try expect(!storage.isEmpty())
            try FileManager.default.removeItem(at: folder.url)
            do {
                try storage.save(name: "phone", bytes: Data([5]))
                throw Wrong(description: "saved to nowhere")
            } catch StorageError.Failed(let detail) {
                try expect(detail.contains("try again"), detail)
            }
        },
    ]

    /// The phone runs for as long as `body` does.
    @Sendable private static func running(_ phone: Phone, _ person: Person, _ body: () async throws -> Void) async throws {
        let running = Task { try await phone.run(person) }
        try await body()
        running.cancel()
        try await running.value
    }

    @Sendable private static func pair(_ phone: Phone, _ laptop: Laptop) async throws {
        let screen = try laptop.pair("acme/widget")
        let (text, shown) = (try await screen.pairingText(), Watched<String?>(nil))
        async let paired = phone.pair(scanned: text) { _, digits in shown.change { $0 = digits } }
        screen.say(try await shown.take("six digits") { $0 })
        try equal(await paired, "acme/widget")
        try equal(await screen.end().code, 0)
    }

    /// A seed of its own for each approval: a second code of one would have to wait for its step.
    @Sendable private static func enroll(_ person: Person, _ laptop: Laptop) async throws {
        for (seed, secret) in secrets.sorted(by: { $0.key < $1.key }) {
            let enrolling = try laptop.countersign("enroll", seed, "--json")
            let number = try await enrolling.number()
            let picture = try await picture("otpauth://totp/ACME:\(seed)?secret=\(secret)")
            let seeds = try await SeedImport.fromPicture(picture: picture)
            try await person.asked().answer.change { $0 = .success(.yes(number: number, grant: true, seed: seeds)) }
            let ended = try await enrolling.end()
            try equal(ended.code, 0, ended.err)
        }
    }

    @Sendable private static func approve(_ person: Person, _ laptop: Laptop, seed: String = "npm") async throws {
        let before = Totp.step()
        let job = try laptop.code(seed)
        let number = try await job.number()
        try await person.asked().answer.change { $0 = .success(.yes(number: number, grant: false, seed: nil)) }
        try await job.endsWithCode(since: before, secret: secrets[seed] ?? "")
    }

    private static let secrets = [
        "npm": rfcSecret, "other": String(repeating: "B", count: 32), "third": String(repeating: "C", count: 32),
    ]
}
