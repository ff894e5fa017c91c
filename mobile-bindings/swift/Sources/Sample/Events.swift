import CountersignMobile
import Foundation

/// Hands what happens to the screens, in order and without keeping the engine waiting. What nobody has taken yet stays, also when a taker is cancelled:
/// an `AsyncStream` would be over then.
public final class Events: Observer, @unchecked Sendable {
    private let lock = NSLock()
    private var untaken: [Event] = []
    private var taker: CheckedContinuation<Event?, Never>?

    public init() {}

    public func onEvent(event: Event) {
        lock.withLock {
            if let taker {
                self.taker = nil
                taker.resume(returning: event)
            } else {
                untaken.append(event)
            }
        }
    }

    /// The next event; nothing once the task is cancelled. For one task at a time.
    public func next() async -> Event? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { taker in
                lock.withLock {
                    if Task.isCancelled {
                        taker.resume(returning: nil)
                    } else if untaken.isEmpty {
                        self.taker = taker
                    } else {
                        taker.resume(returning: untaken.removeFirst())
                    }
                }
            }
        } onCancel: {
            lock.withLock {
                taker?.resume(returning: nil)
                taker = nil
            }
        }
    }
}
