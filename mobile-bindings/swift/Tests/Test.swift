import CountersignMobile
import Foundation

/// What a test found wrong.
struct Wrong: Error, CustomStringConvertible {
    let description: String
}

func expect(_ right: Bool, _ text: @autoclosure () -> String = "", file: StaticString = #fileID, line: UInt = #line) throws {
    if !right { throw Wrong(description: "\(file):\(line): \(text())") }
}

func equal<T: Equatable>(_ got: T, _ wanted: T, _ text: @autoclosure () -> String = "", file: StaticString = #fileID, line: UInt = #line) throws {
    try expect(got == wanted, "\(got) is not \(wanted); \(text())", file: file, line: line)
}

/// The error that `body` ends in.
func failure(file: StaticString = #fileID, line: UInt = #line, _ body: () async throws -> some Any) async throws -> AuthenticatorError {
    let got: Any
    do {
        got = try await body()
    } catch let error as AuthenticatorError {
        return error
    }
    throw Wrong(description: "\(file):\(line): nothing failed: \(got)")
}

/// A value that changes on other threads; tests wait for what it becomes.
final class Watched<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value
    private var waiting: [UUID: () -> Bool] = [:]

    init(_ value: Value) {
        self.value = value
    }

    var now: Value { lock.withLock { value } }

    func change(_ changing: (inout Value) throws -> Void) rethrows {
        try lock.withLock {
            try changing(&value)
            waiting = waiting.filter { !$0.value() }
        }
    }

    /// Waits until `take` gives something, and may take it out. Whatever never comes is the watchdog's business.
    func take<T>(_ what: String, _ take: @escaping @Sendable (inout Value) throws -> T?) async throws -> T {
        let id = UUID()
        Watchdog.shared.waits(id, for: what) { "\(self.now)" }
        defer { Watchdog.shared.waitsNoMore(id) }
        return try await withCheckedThrowingContinuation { continuation in
            let taken = {
                do {
                    guard let found = try take(&self.value) else { return false }
                    continuation.resume(returning: Moved(value: found).value)
                } catch {
                    continuation.resume(throwing: error)
                }
                return true
            }
            lock.withLock {
                if !taken() { waiting[id] = taken }
            }
        }
    }
}

/// Handed over: nobody keeps another one.
struct Moved<Value>: @unchecked Sendable {
    let value: Value
}

/// Ends the program if a test takes too long, and says what it waits for.
final class Watchdog: @unchecked Sendable {
    static let shared = Watchdog()
    private let lock = NSLock()
    private var waits: [UUID: (String, () -> String)] = [:]

    func waits(_ id: UUID, for what: String, now: @escaping () -> String) {
        lock.withLock { waits[id] = (what, now) }
    }

    func waitsNoMore(_ id: UUID) {
        _ = lock.withLock { waits.removeValue(forKey: id) }
    }

    func guarding(_ name: String, _ most: Double, _ body: @Sendable () async throws -> Void) async throws {
        let late = DispatchWorkItem {
            let all = self.lock.withLock { self.waits.values.map { $0 } }
            say("\(name) hangs\(all.map { "\nwaits for \($0.0), but: \($0.1())" }.joined())")
            Running.stopAll()
            exit(1)
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + most, execute: late)
        defer { late.cancel() }
        try await body()
    }
}

/// Prints a line at once.
func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}
