import CountersignMobile
import Foundation
import Sample

/// Blobs in memory; `beforeSave` may throw.
final class MemoryStorage: Storage {
    private let blobs = Watched<[String: Data]>([:])
    let saves = Watched(0)
    let beforeSave = Watched<@Sendable (Int) throws -> Void>({ _ in })

    func load(name: String) throws -> Data? { blobs.now[name] }

    func save(name: String, bytes: Data) throws {
        saves.change { $0 += 1 }
        try beforeSave.now(saves.now)
        blobs.change { $0[name] = bytes }
    }
}

/// Secrets in memory; `beforeUnlock` stands for the system's prompt.
final class MemoryKeychain: Keychain {
    private let secrets = Watched<[String: Data]>([:])
    /// The reason that each prompt showed.
    let prompts = Watched<[String]>([])
    let beforeUnlock = Watched<@Sendable () async throws -> Void>({})

    func load(name: String) throws -> Data? { secrets.now[name] }

    func store(name: String, secret: Data) throws { secrets.change { $0[name] = secret } }

    func protect(name: String, secret: Data, reason _: String) async throws { secrets.change { $0["protected \(name)"] = secret } }

    func unlock(name: String, reason: String) async throws -> Data {
        prompts.change { $0.append(reason) }
        try await beforeUnlock.now()
        guard let secret = secrets.now["protected \(name)"] else { throw KeychainError.Missing }
        return secret
    }
}

/// Keys in files, for tests alone: a real app has a key store and a prompt. Counts the prompts in a file, too.
final class FileKeychain: Keychain {
    private let files: FileStorage

    init(_ folder: URL) throws {
        files = try FileStorage(folder: folder.appendingPathComponent("keys"))
    }

    func erase() throws { try files.erase() }

    func prompts() throws -> Int { try files.load(name: "prompts")?.count ?? 0 }

    func load(name: String) throws -> Data? { try files.load(name: name) }

    func store(name: String, secret: Data) throws { try files.save(name: name, bytes: secret) }

    func protect(name: String, secret: Data, reason _: String) async throws { try files.save(name: "protected-\(name)", bytes: secret) }

    func unlock(name: String, reason _: String) async throws -> Data {
        try files.save(name: "prompts", bytes: (files.load(name: "prompts") ?? Data()) + [1])
        guard let secret = try files.load(name: "protected-\(name)") else { throw KeychainError.Missing }
        return secret
    }
}

/// Keeps what it is told until a test asks; `before` may be slow, or throw.
final class Inbox: Observer {
    private let events = Watched<[Event]>([])
    let before = Watched<@Sendable () throws -> Void>({})

    func onEvent(event: Event) throws {
        events.change { $0.append(event) }
        try before.now()
    }

    /// The next event that `wanted` gives something for; those before it are passed over.
    @discardableResult
    func next<T>(_ what: String, _ wanted: @escaping @Sendable (Event) -> T?) async throws -> T {
        try await events.take(what) { events in
            for (place, event) in events.enumerated() {
                guard let found = wanted(event) else { continue }
                events.removeFirst(place + 1)
                return found
            }
            return nil
        }
    }

    func arrived() async throws -> PendingRequest {
        try await next("a request") { if case .requestArrived(let request) = $0 { request } else { nil } }
    }

    func gone() async throws -> String {
        try await next("the end of a request") { if case .requestGone(let id, _) = $0 { id } else { nil } }
    }

    func settled() async throws {
        try await next("the job's last word") { if case .settled(let pairing) = $0 { pairing } else { nil } }
    }

    func connected() async throws {
        try await next("a connection") { if case .connectionChanged(let it) = $0, case .connected = it.state { it } else { nil } }
    }
}
