import CountersignMobile
import Foundation
@testable import Sample

/// What the sample brings for a device does what the engine relies on.
enum DeviceTests {
    static let all: [Test] = [
        Test("the files of the sample are replaced whole, and say what is wrong") { _ in
            let folder = Folder()
            let blobs = folder.url.appendingPathComponent("blobs")
            let storage = try FileStorage(folder: blobs)
            try equal(storage.load(name: "phone"), nil)
            try storage.save(name: "phone", bytes: Data([1, 2, 3]))
            try storage.save(name: "phone", bytes: Data([4]))
            try equal(storage.load(name: "phone"), Data([4]))
            try equal(FileManager.default.contentsOfDirectory(atPath: blobs.path), ["phone"])
            // What can't be looked at is not missing, and is not written over.
            try FileManager.default.createDirectory(at: blobs.appendingPathComponent("seeds"), withIntermediateDirectories: true)
            try fails("can't be read", "try again") { _ = try storage.load(name: "seeds") }
            try fails("can't be written", "try again") { try storage.save(name: "seeds", bytes: Data([5])) }
            try storage.erase()
            try equal(FileManager.default.contentsOfDirectory(atPath: blobs.path), [])
            try FileManager.default.removeItem(at: folder.url)
            try fails("can't be written", "make room") { try storage.save(name: "phone", bytes: Data([5])) }
            try fails("can't be erased", "try again") { try storage.erase() }
        },
        Test("a save whose folder does not get to the disk leaves what was there") { _ in
            let (folder, broken) = (Folder(), Watched(false))
            let storage = try FileStorage(folder: folder.url) { _ in
                if broken.now { throw POSIXError(.EIO) }
            }
            try storage.save(name: "phone", bytes: Data([1]))
            broken.change { $0 = true }
            try fails("can't be written", "try again") { try storage.save(name: "phone", bytes: Data([2])) }
            try fails("can't be written", "try again") { try storage.save(name: "seeds", bytes: Data([3])) }
            try equal(storage.load(name: "phone"), Data([1]))
            try equal(storage.load(name: "seeds"), nil)
            try equal(FileManager.default.contentsOfDirectory(atPath: folder.url.path), ["phone"])
        },
        Test("a prompt ends with its task") { _ in
            let system = System()
            let asking = Task { try await Prompt().show(system.read, end: system.end) }
            try await system.shown.yes("a prompt")
            asking.cancel()
            // Not what the system says: it looked at nobody.
            guard case .failure(KeychainError.Cancelled) = await asking.result else { throw Wrong(description: "\(await asking.result)") }
            let next = System()
            async let answer = Prompt().show(next.read, end: next.end)
            try await next.shown.yes("a prompt")
            next.answers(.success(Data([1])))
            try equal(await answer, Data([1]))
            let last = System()
            last.answers(.failure(KeychainError.LockedOut))
            do {
                throw Wrong(description: "\(try await Prompt().show(last.read, end: last.end))")
            } catch KeychainError.LockedOut {}
        },
        Test("a prompt that is taken back ends its approval, and the request waits") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            let before = Totp.step()
            let job = try laptop.code()
            let (request, number) = (try await phone.events.arrived(), try await job.number())
            let system = System()
            phone.keychain.beforeUnlock.change { $0 = { _ = try await Prompt().show(system.read, end: system.end) } }
            async let approving = failure { try await phone.approve(request, number) }
            try await system.shown.yes("a prompt")
            try phone.engine.cancelUnlock()
            guard case .Unlock = try await approving else { throw Wrong(description: "not Unlock") }
            try await system.ended.yes("the prompt goes away")
            phone.keychain.beforeUnlock.change { $0 = {} }
            try await phone.approve(request, number)
            try await job.endsWithCode(since: before)
        },
    ]

    /// What asks, blocks and is ended like Apple's keychain.
    private final class System: @unchecked Sendable {
        let shown = Watched(false)
        let ended = Watched(false)
        private let done = DispatchSemaphore(value: 0)
        private let answer = Watched<Result<Data, KeychainError>>(.failure(.NotRecognised))

        @Sendable func read() throws -> Data {
            shown.change { $0 = true }
            done.wait()
            return try answer.now.get()
        }

        @Sendable func end() {
            ended.change { $0 = true }
            done.signal()
        }

        func answers(_ it: Result<Data, KeychainError>) {
            answer.change { $0 = it }
            done.signal()
        }
    }

    @Sendable private static func fails(_ texts: String..., body: () throws -> Void) throws {
        do {
            try body()
        } catch StorageError.Failed(let detail) {
            return try expect(texts.allSatisfy(detail.contains), detail)
        }
        throw Wrong(description: "nothing failed")
    }
}
