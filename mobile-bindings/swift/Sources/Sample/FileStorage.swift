import CountersignMobile
import Foundation
#if canImport(Darwin)
    import Darwin
#endif

/// Blobs as files: each only ever replaced as a whole, closed until the first unlock after a start, in no backup.
public final class FileStorage: Storage {
    private let folder: URL
    private let folderToDisk: @Sendable (URL) throws -> Void

    /// In Application Support, unless `folder` is given.
    public convenience init(folder: URL? = nil) throws {
        try self.init(folder: folder, folderToDisk: Self.folderToDisk)
    }

    /// `folderToDisk` is handed in so that a test can have it fail.
    init(folder: URL?, folderToDisk: @escaping @Sendable (URL) throws -> Void) throws {
        let files = FileManager.default
        var folder = try folder
            ?? files.url(for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
            .appendingPathComponent("countersign", isDirectory: true)
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
        #if canImport(Darwin)
            // Two phones with one state evict each other.
            var values = URLResourceValues()
            values.isExcludedFromBackup = true
            try folder.setResourceValues(values)
        #endif
        (self.folder, self.folderToDisk) = (folder, folderToDisk)
    }

    public func load(name: String) throws -> Data? {
        try failing("can't be read", "unlock this device once after its start, and try again") { try read(name) }
    }

    /// Returns when the new bytes are on disk. If it throws, the old ones are what is found.
    public func save(name: String, bytes: Data) throws {
        try failing("can't be written", "make room on this device and try again") {
            let old = try read(name)
            try put(name, bytes)
            do {
                try folderToDisk(folder)
            } catch {
                // The new name may or may not outlive a crash: only the old one must. The same disk has to keep that.
                try? putBack(name, old)
                throw error
            }
        }
    }

    private func putBack(_ name: String, _ old: Data?) throws {
        if let old { try put(name, old) } else { try FileManager.default.removeItem(at: file(name)) }
        try folderToDisk(folder)
    }

    /// Forgets everything that this phone knows, for good. First close the `Authenticator` and erase the keychain: files without keys are never taken for a phone.
    public func erase() throws {
        try failing("can't be erased", "restart this device and try again") {
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
                try FileManager.default.removeItem(at: file(name))
            }
            try folderToDisk(folder)
        }
    }

    /// Nothing only if there is no such file: one that can't be looked at would begin anew, and be written over.
    private func read(_ name: String) throws -> Data? {
        do {
            return try Data(contentsOf: file(name))
        } catch CocoaError.fileReadNoSuchFile {
            return nil
        }
    }

    private func put(_ name: String, _ bytes: Data) throws {
        let new = file(name + ".new")
        do {
            try bytes.write(to: new, options: .completeFileProtectionUntilFirstUserAuthentication)
            let handle = try FileHandle(forWritingTo: new)
            defer { try? handle.close() }
            // An answer leaves the phone after this; `.atomic` alone would not wait for the disk.
            try Self.toDisk(handle.fileDescriptor)
            guard rename(new.path, file(name).path) == 0 else { throw Self.problem() }
        } catch {
            try? FileManager.default.removeItem(at: new)
            throw error
        }
    }

    /// A new name is on disk only when its folder is.
    @Sendable private static func folderToDisk(_ folder: URL) throws {
        let descriptor = open(folder.path, O_RDONLY)
        guard descriptor >= 0 else { throw problem() }
        defer { _ = close(descriptor) }
        try toDisk(descriptor)
    }

    private static func toDisk(_ descriptor: Int32) throws {
        #if canImport(Darwin)
            // Apple's `fsync` does not wait for the disk. Not every file system of a Mac knows this.
            if fcntl(descriptor, F_FULLFSYNC) == 0 { return }
            guard [ENOTSUP, ENOTTY, EINVAL].contains(errno) else { throw problem() }
        #endif
        guard fsync(descriptor) == 0 else { throw problem() }
    }

    private static func problem() -> POSIXError {
        POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
    }

    private func failing<T>(_ what: String, _ next: String, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch {
            throw StorageError.Failed(detail: "the phone's files \(what) (\(error.localizedDescription)): \(next)")
        }
    }

    private func file(_ name: String) -> URL {
        folder.appendingPathComponent(name)
    }
}
