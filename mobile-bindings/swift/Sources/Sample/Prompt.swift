import CountersignMobile
import Foundation

/// A question of the system, which can be taken away.
final class Prompt: @unchecked Sendable {
    private let lock = NSLock()
    private var isEnded = false

    /// Waits for `read`, which blocks for as long as the person takes, on a thread of its own. When the task is cancelled, `end` takes the question away.
    func show(_ read: @escaping @Sendable () throws -> Data, end: @escaping @Sendable () -> Void) async throws -> Data {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                DispatchQueue.global(qos: .userInitiated).async {
                    let answer = Result(catching: read)
                    // The system may say that the person was not recognised: nobody was looked at.
                    continuation.resume(with: self.lock.withLock { self.isEnded } ? .failure(KeychainError.Cancelled) : answer)
                }
            }
        } onCancel: {
            lock.withLock { isEnded = true }
            end()
        }
    }
}
