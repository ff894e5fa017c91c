import CountersignMobile
import Foundation
#if canImport(Darwin)
    import Darwin
#endif

/// Blobs as files: replaced atomically, closed until the first unlock after a start, in no backup.
public final class FileStorage: Storage {
    private let folder: URL

    /// In Application Support, unless `folder` is given.
    public init(folder: URL? = nil) throws {
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
        self.folder = folder
    }

    /// Whether nothing was ever saved.
    public func isEmpty() throws -> Bool {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { $0.hasSuffix(".new") }
    }

    public func load(name: String) throws -> Data? {
        do {
            return try Data(contentsOf: file(name))
        } catch CocoaError.fileReadNoSuchFile {
            return nil
        } catch {
            throw StorageError.Failed(detail: "\(name) can't be read: \(error.localizedDescription)")
        }
    }

    public func save(name: String, bytes: Data) throws {
        let new = file(name + ".new")
        do {
            try bytes.write(to: new, options: .completeFileProtectionUntilFirstUserAuthentication)
            let handle = try FileHandle(forWritingTo: new)
            defer { try? handle.close() }
            // An answer leaves the phone after this; `.atomic` alone would not wait for the disk.
            guard flush(handle.fileDescriptor) == 0, rename(new.path, file(name).path) == 0 else {
                throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
            }
        } catch {
            throw StorageError.Failed(detail: "\(error.localizedDescription) Make room on this device and try again")
        }
        syncFolder()
    }

    private func flush(_ descriptor: Int32) -> Int32 {
        #if canImport(Darwin)
            // Apple's `fsync` does not wait for the disk.
            fcntl(descriptor, F_FULLFSYNC)
        #else
            fsync(descriptor)
        #endif
    }

    /// The new bytes are in place already: a failure here is not one of `save`.
    private func syncFolder() {
        let descriptor = open(folder.path, O_RDONLY)
        guard descriptor >= 0 else { return }
        _ = fsync(descriptor)
        _ = close(descriptor)
    }

    private func file(_ name: String) -> URL {
        folder.appendingPathComponent(name)
    }
}
