import CountersignMobile
import Darwin
import Foundation

/// Blobs as files in Application Support: replaced atomically, closed until the first unlock after a start, in no backup.
public final class FileStorage: Storage {
    private let folder: URL

    public init() throws {
        let support = try FileManager.default.url(for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
        var folder = support.appendingPathComponent("countersign", isDirectory: true)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // Two phones with one state evict each other.
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        try folder.setResourceValues(values)
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
            guard fcntl(handle.fileDescriptor, F_FULLFSYNC) == 0, rename(new.path, file(name).path) == 0 else {
                throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
            }
        } catch {
            throw StorageError.Failed(detail: "\(error.localizedDescription) Make room on this device and try again")
        }
        syncFolder()
    }

    /// The new bytes are in place already: a failure here is not one of `save`.
    private func syncFolder() {
        let descriptor = Darwin.open(folder.path, O_RDONLY)
        guard descriptor >= 0 else { return }
        _ = fsync(descriptor)
        _ = Darwin.close(descriptor)
    }

    private func file(_ name: String) -> URL {
        folder.appendingPathComponent(name)
    }
}
