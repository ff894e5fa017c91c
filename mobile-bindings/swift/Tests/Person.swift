import CountersignMobile
import Foundation
import Sample

/// A person, by a script: keeps what was asked until a test answers.
final class Person: Screens {
    struct Question: Sendable {
        let request: PendingRequest
        let answer: Watched<Result<Answer, any Error>?>
        let closed: Watched<Bool>

        func says(_ said: Answer) { answer.change { $0 = .success(said) } }
    }

    private let questions = Watched<[Question]>([])
    private let told = Watched<[String]>([])
    /// How often somebody was asked.
    let times = Watched(0)
    /// Whether the screen of words is ready for the next.
    let listens = Watched(true)

    func ask(_ request: PendingRequest) async throws -> Answer {
        let question = Question(request: request, answer: Watched(nil), closed: Watched(false))
        times.change { $0 += 1 }
        questions.change { $0.append(question) }
        return try await withTaskCancellationHandler {
            try await question.answer.take("an answer") { $0 }.get()
        } onCancel: {
            question.closed.change { $0 = true }
            question.answer.change { $0 = .failure(CancellationError()) }
        }
    }

    func tell(_ text: String) async {
        told.change { $0.append(text) }
        try? await listens.yes("a screen of words that is ready")
    }

    func asked() async throws -> Question { try await questions.take("a question") { $0.isEmpty ? nil : $0.removeFirst() } }

    func hears() async throws -> String { try await told.take("a word") { $0.isEmpty ? nil : $0.removeFirst() } }
}

/// The sample, with a person in front of it.
struct Scene: Sendable {
    let phone: Phone
    let laptop: Laptop
    var person = Person()

    /// Paired, and with all seeds.
    static func ready(_ relay: Relay, storage: some Storage = MemoryStorage(), keychain: some Keychain = MemoryKeychain()) async throws -> Scene {
        let scene = Scene(phone: try await Phone.start(name: "pixel", storage: storage, keychain: keychain), laptop: Laptop(relay))
        try await scene.runs { try await scene.setUp("acme/widget") }
        return scene
    }

    /// The same with another laptop: a pairing has one request at a time.
    func with(_ laptop: Laptop) async throws -> Scene {
        let scene = Scene(phone: phone, laptop: laptop, person: person)
        try await scene.runs { try await scene.setUp("acme/gadget") }
        return scene
    }

    private func setUp(_ name: String) async throws {
        try await pair(name)
        try await enroll()
    }

    /// The phone runs for as long as `body` does.
    @discardableResult
    func runs<T>(_ body: () async throws -> T) async throws -> T {
        let running = Task { try await phone.run(person) }
        let got = try await body()
        running.cancel()
        try await running.value
        return got
    }

    private func pair(_ name: String) async throws {
        let screen = try laptop.pair(name)
        let (text, shown) = (try await screen.pairingText(), Watched<String?>(nil))
        async let paired = phone.pair(scanned: text) { _, digits in shown.change { $0 = digits } }
        screen.say(try await shown.take("six digits") { $0 })
        try equal(await paired, name)
        try equal(await screen.end().code, 0)
    }

    /// A seed of its own for each approval: a second code of one would have to wait for its step.
    private func enroll() async throws {
        for (seed, secret) in Self.secrets.sorted(by: { $0.key < $1.key }) {
            let enrolling = try laptop.countersign("enroll", seed, "--json")
            let number = try await enrolling.number()
            let picture = try await picture("otpauth://totp/ACME:\(seed)?secret=\(secret)")
            let seeds = try await SeedImport.fromPicture(picture: picture)
            try await person.asked().says(.yes(number: number, grant: true, seed: seeds))
            let ended = try await enrolling.end()
            try equal(ended.code, 0, ended.err)
        }
    }

    /// Has a job ask for a code of `seed`, until it waits for the person.
    func ask(_ seed: String = "npm") async throws -> Asked {
        let before = Totp.step()
        let job = try laptop.code(seed)
        return Asked(job: job, number: try await job.number(), question: try await person.asked(), before: before, secret: Self.secrets[seed] ?? "")
    }

    func approve(_ seed: String = "npm") async throws {
        try await ask(seed).approve()
    }

    private static let secrets = [
        "npm": rfcSecret, "other": String(repeating: "B", count: 32), "third": String(repeating: "C", count: 32),
    ]
}

/// A job that has asked.
struct Asked: Sendable {
    let job: Running
    let number: String
    let question: Person.Question
    let before: Int
    let secret: String

    var yes: Answer { .yes(number: number, grant: false, seed: nil) }

    func approve() async throws {
        question.says(yes)
        try await endsWithCode()
    }

    func endsWithCode() async throws { try await job.endsWithCode(since: before, secret: secret) }

    func isDenied(_ reason: String) async throws {
        let ended = try await job.end()
        try equal(ended.code, 200, ended.err)
        try expect(ended.err.contains(reason), ended.err)
    }

    /// The job gives up.
    func isWithdrawn() async throws {
        job.terminate()
        try await question.closed.yes("a question that closes")
        try equal(await job.end().code, 130)
    }
}
