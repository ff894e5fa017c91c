import Foundation

/// How a program ended.
struct Ended: Sendable {
    let code: Int32
    let out: String
    let err: String
}

/// A real program as a child process, driven by what it prints.
final class Running: @unchecked Sendable {
    private struct State: Sendable {
        var out = "", err = ""
        /// Streams that are still open.
        var open = 2
        var code: Int32?
    }

    /// What has not ended yet.
    private static let running = Watched(Set<Int32>())

    private let name: String
    private let process = Process()
    private let input = Pipe()
    private let state = Watched(State())

    init(_ program: String, _ arguments: [String], folder: URL? = nil, environment: [String: String]? = nil) throws {
        name = ([program] + arguments).joined(separator: " ")
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        if let folder { process.currentDirectoryURL = folder }
        if let environment { process.environment = environment }
        let (out, err) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = out
        process.standardError = err
        process.terminationHandler = { [state] process in
            // A signal as a shell tells it.
            let code = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
            Self.running.change { $0.remove(process.processIdentifier) }
            state.change { $0.code = code }
        }
        follow(out) { $0.out += $1 }
        follow(err) { $0.err += $1 }
        // The threads of Swift's tasks have signals blocked, and a child would have so, too.
        var (none, blocked) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &blocked)
        defer { pthread_sigmask(SIG_SETMASK, &blocked, nil) }
        // The end waits for this, so that nothing is added that has ended.
        try Self.running.change {
            try process.run()
            $0.insert(process.processIdentifier)
        }
    }

    /// Kills all: nothing outlives the tests.
    static func stopAll() {
        for id in running.now { _ = Foundation.kill(id, SIGKILL) }
    }

    /// On a thread of its own: `readabilityHandler` may miss the end on Linux.
    private func follow(_ pipe: Pipe, _ add: @escaping @Sendable (inout State, String) -> Void) {
        let handle = pipe.fileHandleForReading
        Thread.detachNewThread { [state] in
            while true {
                let bytes = handle.availableData
                if bytes.isEmpty { break }
                state.change { add(&$0, String(decoding: bytes, as: UTF8.self)) }
            }
            state.change { $0.open -= 1 }
        }
    }

    var id: Int32 { process.processIdentifier }

    /// Types a line. A program that has ended meanwhile is told nothing: how it ended says why.
    func say(_ line: String) {
        try? input.fileHandleForWriting.write(contentsOf: Data("\(line)\n".utf8))
    }

    /// Forgets what it has printed so far.
    func forget() {
        state.change { ($0.out, $0.err) = ("", "") }
    }

    /// Waits for a match on standard error; gives its last group.
    @discardableResult
    func errs(_ pattern: String) async throws -> String { try await match(pattern, \.err) }

    /// Waits for a match on standard output; gives its last group.
    @discardableResult
    func outs(_ pattern: String) async throws -> String { try await match(pattern, \.out) }

    private func match(_ pattern: String, _ stream: KeyPath<State, String> & Sendable) async throws -> String {
        let name = name
        return try await state.take("'\(pattern)' of \(name)") { state in
            if let found = lastGroup(pattern, in: state[keyPath: stream]) { return found }
            if state.open == 0 { throw Wrong(description: "\(name): no '\(pattern)' in \(state)") }
            return nil
        }
    }

    /// Waits for its end.
    func end() async throws -> Ended {
        try await state.take("the end of \(name)") { state in
            guard let code = state.code, state.open == 0 else { return nil }
            return Ended(code: code, out: state.out, err: state.err)
        }
    }

    /// Asks it to end (SIGTERM).
    func terminate() {
        if process.isRunning { process.terminate() }
    }

    /// Kills it (SIGKILL).
    func kill() async throws {
        stop()
        _ = try await end()
    }

    func stop() {
        if process.isRunning { _ = Foundation.kill(process.processIdentifier, SIGKILL) }
    }

    deinit { stop() }
}

/// The last group of the first match.
func lastGroup(_ pattern: String, in text: String) -> String? {
    guard let regex = try? NSRegularExpression(pattern: pattern),
        let found = regex.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)),
        let range = Range(found.range(at: found.numberOfRanges - 1), in: text)
    else { return nil }
    return String(text[range])
}
