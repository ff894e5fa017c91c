import Foundation

struct Test: Sendable {
    let name: String
    /// Seconds, far more than it takes on a crowded machine.
    let most: Double
    let body: @Sendable (Relay) async throws -> Void

    init(_ name: String, most: Double = 180, _ body: @escaping @Sendable (Relay) async throws -> Void) {
        (self.name, self.most, self.body) = (name, most, body)
    }
}

/// Runs the tests whose name contains one of the arguments; without arguments all but those about memory. With `--phone FOLDER` it is the phone that `KilledTests` kills.
@main
enum Main {
    static func main() async throws {
        // A program that has ended does not read what it is told.
        signal(SIGPIPE, SIG_IGN)
        let arguments = CommandLine.arguments.dropFirst()
        if arguments.first == "--phone", let folder = arguments.last { return try await PhoneProcess.run(URL(fileURLWithPath: folder)) }
        let usual = ApprovalTests.all + KilledTests.all + CancellationTests.all + BrokenAppTests.all + SampleTests.all + DeviceTests.all
        // Those start hundreds of programs, and Foundation on Linux has crashed once in some thousands of starts (in libFoundation.so).
        let named = (usual + MemoryTests.all).filter { test in arguments.contains { test.name.contains($0) } }
        let chosen = arguments.isEmpty ? usual : named
        let relay = try await Relay()
        var failed = 0
        for test in chosen {
            let begun = Date()
            do {
                try await Watchdog.shared.guarding(test.name, test.most) { try await test.body(relay) }
                say(String(format: "ok      %.1f s  %@", Date().timeIntervalSince(begun), test.name))
            } catch {
                failed += 1
                say("FAILED  \(test.name): \(error)")
            }
        }
        Running.stopAll()
        say("\(chosen.count) tests, \(failed) failed")
        exit(failed == 0 && !chosen.isEmpty ? 0 : 1)
    }
}
