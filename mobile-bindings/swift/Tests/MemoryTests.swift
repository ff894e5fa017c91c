import CountersignMobile
import Foundation

/// Nothing is left behind. On Linux alone: it reads /proc.
enum MemoryTests {
    /// Seeds of each laptop, and how often each is approved: at most 20 times, the steps that may be issued ahead; and a pairing's replay memory has room for
    /// 256 requests.
    private static let seeds = 13, rounds = 18
    /// KiB that may be added in 182 approvals, each by a run of `countersign code`: 8 for each.
    private static let bound = 1456

    static let all: [Test] = [
        // In a process of its own: Foundation's `Process` keeps 10 KiB of every program that it has started.
        Test("two hundred approvals leave nothing behind", most: 900) { relay in
            let folder = Folder()
            let phone = try PhoneProcess.start(folder)
            // Until the history (200 entries) is full.
            let first = Laptop(relay)
            try await enroll(phone, first, "BCDEFGHIJKLMN")
            for round in 0..<rounds { try await approve(phone, first, round) }
            let second = Laptop(relay)
            try await enroll(phone, second, "OPQRSTUVWXYZ2")
            for round in 0..<4 { try await approve(phone, second, round) }
            let early = try resident(phone.id)
            for round in 4..<rounds { try await approve(phone, second, round) }
            let late = try resident(phone.id)
            say("        \(early) KiB after \(seeds * (rounds + 4)) approvals, \(late) KiB after \(seeds * rounds * 2)")
            try equal(FileKeychain(folder.url).prompts(), seeds * (rounds + 1) * 2, "each seed was enrolled and then used so often")
            try expect(late - early < bound, "resident memory grew: \(early) KiB, then \(late) KiB")
            phone.stop()
        },
        Test("fifty thousand calls leave nothing behind") { relay in
            let (phone, _) = try await Handset.ready(relay)
            let engine = try phone.engine
            func calls() async throws {
                for _ in 0..<10_000 {
                    _ = try (engine.pending(), engine.seeds(), engine.history(), engine.pairings())
                    _ = try await failure { try await engine.deny(requestId: String(repeating: "00", count: 16), reason: "no") }
                }
            }
            let me = ProcessInfo.processInfo.processIdentifier
            try await calls()
            let early = try resident(me)
            try await calls()
            let late = try resident(me)
            say("        \(early) KiB, then \(late) KiB")
            try expect(late - early < 1024, "resident memory grew: \(early) KiB, then \(late) KiB")
        },
    ]

    /// Pairs, and enrols a seed for each of these letters.
    @Sendable private static func enroll(_ phone: Running, _ laptop: Laptop, _ letters: String) async throws {
        try await phone.pair(laptop)
        for (seed, letter) in letters.enumerated() {
            try await phone.enroll(laptop, "seed\(seed)", "otpauth://totp/ACME:\(letter)?secret=\(String(repeating: letter, count: 32))")
        }
    }

    /// One approval of each seed. The first code of each is waited for; later ones could be printed only when their steps of 30 seconds come.
    @Sendable private static func approve(_ phone: Running, _ laptop: Laptop, _ round: Int) async throws {
        for seed in 0..<seeds {
            let job = try laptop.code("seed\(seed)")
            let number = try await job.number()
            try await phone.outs(#"request (\w+)\n"#)
            phone.say("approve \(number)")
            try equal(await phone.outs(#"done approve (\d+)\n"#), "0", "callbacks that are still referred to")
            try await job.errs(#"("event":"approved")"#)
            phone.forget()
            if round == 0 {
                try equal(await job.end().code, 0)
            } else {
                job.terminate()
                _ = try await job.end()
            }
        }
    }

    /// KiB.
    @Sendable private static func resident(_ process: Int32) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        guard let text = lastGroup(#"VmRSS:\s+(\d+)"#, in: status), let kib = Int(text) else {
            throw Wrong(description: "/proc/\(process)/status says nothing")
        }
        return kib
    }
}
