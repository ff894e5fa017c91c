import CountersignMobile
import Foundation

/// The system's questions that are on the screen, so that they can be taken away.
final class Prompts: @unchecked Sendable {
    private let lock = NSLock()
    /// How each is taken away.
    private var shown: [UUID: @Sendable () -> Void] = [:]

    /// Waits for `read`, which blocks for as long as the person takes, on a thread of its own. `end`, which may be called on any thread, takes the question away.
    func show(_ read: @escaping @Sendable () throws -> Data, end: @escaping @Sendable () -> Void) async throws -> Data {
        let id = UUID()
        lock.withLock { shown[id] = end }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                DispatchQueue.global(qos: .userInitiated).async {
                    let answer = Result(catching: read)
                    // The system may say that the person was not recognised: nobody was looked at.
                    let ended = self.lock.withLock { self.shown.removeValue(forKey: id) == nil }
                    continuation.resume(with: ended ? .failure(KeychainError.Cancelled) : answer)
                }
            }
        } onCancel: {
            self.end(id)
        }
    }

    func endAll() {
        lock.withLock { Array(shown.keys) }.forEach(end)
    }

    private func end(_ id: UUID) {
        lock.withLock { shown.removeValue(forKey: id) }?()
    }
}
