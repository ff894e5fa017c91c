import CountersignMobile
import Foundation
import Sample

/// A phone in a process of its own, so that it can be killed. Takes lines, prints what happens.
enum PhoneProcess {
    /// Starts it.
    static func start(_ folder: Folder) throws -> Running {
        guard let me = ProcessInfo.processInfo.environment["TESTS"] else { throw Wrong(description: "run the tests with mobile-bindings/swift/run") }
        return try Running(me, ["--phone", folder.url.path])
    }

    private final class Printer: Observer {
        func onEvent(event: Event) {
            switch event {
            case .requestArrived(let request): say("request \(request.id)")
            case .connectionChanged(let connection):
                if case .connected = connection.state { say("connected") } else { say("not connected") }
            default: break
            }
        }
    }

    static func run(_ folder: URL) async throws {
        let storage = try FileStorage(folder: folder.appendingPathComponent("blobs"))
        let keys = try FileKeychain(folder)
        let phone = if case .noPhone = try await findPhone(storage: storage, keychain: keys) {
            try await Authenticator.create(name: "pixel", storage: storage, keychain: keys, observer: Printer())
        } else {
            try await Authenticator.open(storage: storage, keychain: keys, observer: Printer())
        }
        try await phone.connect()
        while let line = readLine() {
            let words = line.split(separator: " ").map(String.init)
            switch words[0] {
            case "pair": _ = try await phone.pair(code: words[1], ui: Digits { _, digits in say("digits \(digits)") })
            case "enroll": try await approve(phone, words[1], SeedImport.fromText(text: words[2]))
            case "approve": try await approve(phone, words[1], nil)
            default: throw Wrong(description: "no such command")
            }
            // Callbacks that are still referred to, too.
            say("done \(words[0]) \(uniffiForeignFutureHandleCountCountersignMobile())")
        }
    }

    @Sendable private static func approve(_ phone: Authenticator, _ number: String, _ seed: SeedImport?) async throws {
        try await phone.approve(requestId: phone.pending()[0].id, number: number, codes: nil, grant: seed != nil, seed: seed)
    }
}

extension Running {
    /// Pairs, as a phone, with a laptop.
    func pair(_ laptop: Laptop) async throws {
        let screen = try laptop.pair("acme/widget")
        say("pair \(try await screen.pairingText())")
        screen.say(try await outs(#"digits (\d+)\n"#))
        try await outs(#"(done pair)"#)
        try equal(await screen.end().code, 0)
    }

    /// Reads a seed, as a phone, for a laptop that enrols it.
    func enroll(_ laptop: Laptop, _ seed: String, _ uri: String) async throws {
        let enrolling = try laptop.countersign("enroll", seed, "--json")
        let number = try await enrolling.number()
        try await outs(#"request (\w+)\n"#)
        say("enroll \(number) \(uri)")
        try await outs(#"(done enroll)"#)
        try equal(await enrolling.end().code, 0)
        // What comes after is another request.
        forget()
    }
}

/// The phone is gone in the middle, without a word.
enum KilledTests {
    static let all: [Test] = [
        Test("dropped while a request waits, opened anew") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            let prompts = phone.keychain.prompts.now.count
            let before = Totp.step()
            let job = try laptop.code()
            let asked = try await phone.events.arrived()
            _ = try await job.number()
            phone.drop()
            try await phone.reopen()
            try await phone.connect()
            let again = try await phone.events.arrived()
            try equal(asked.verified, again.verified)
            try await phone.approve(again, job.lastNumber())
            try await job.endsWithCode(since: before)
            try equal(phone.keychain.prompts.now.count, prompts + 1, "one prompt for one approval")
        },
        Test("killed while a request waits") { relay in
            let (folder, laptop, first) = try await ready(relay)
            let before = Totp.step()
            let job = try laptop.code()
            try await first.outs(#"request (\w+)\n"#)
            _ = try await job.number()
            let prompts = try FileKeychain(folder.url).prompts()
            try await first.kill()
            let second = try PhoneProcess.start(folder)
            try await second.outs(#"request (\w+)\n"#)
            second.say("approve \(try await job.lastNumber())")
            try await second.outs(#"(done approve)"#)
            try await job.endsWithCode(since: before)
            try equal(FileKeychain(folder.url).prompts(), prompts + 1, "one prompt for one approval")
            second.stop()
        },
        Test("killed with an answer that has not left yet") { _ in
            let relay = try await Relay()
            let (folder, laptop, first) = try await ready(relay)
            let before = Totp.step()
            let job = try laptop.code()
            try await first.outs(#"request (\w+)\n"#)
            let number = try await job.number()
            try await relay.kill()
            try await first.outs(#"request \w+\n[\s\S]*(not connected)"#)
            first.say("approve \(number)")
            try await first.outs(#"(done approve)"#)
            let prompts = try FileKeychain(folder.url).prompts()
            try await first.kill()
            let back = try await Relay(relay.address)
            let second = try PhoneProcess.start(folder)
            try await job.endsWithCode(since: before, ahead: 1)
            try equal(FileKeychain(folder.url).prompts(), prompts, "nobody is asked a second time")
            second.stop()
            try await back.kill()
        },
    ]

    /// A phone in a process, paired and with the seed `npm`.
    private static func ready(_ relay: Relay) async throws -> (Folder, Laptop, Running) {
        let (folder, laptop) = (Folder(), Laptop(relay))
        let phone = try PhoneProcess.start(folder)
        try await phone.pair(laptop)
        try await phone.enroll(laptop, "npm", rfcUri)
        return (folder, laptop, phone)
    }
}
