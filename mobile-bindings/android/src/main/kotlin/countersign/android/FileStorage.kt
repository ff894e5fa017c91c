package countersign.android

import android.content.Context
import java.io.File
import java.io.IOException
import uniffi.countersign_mobile.Storage
import uniffi.countersign_mobile.StorageException

/**
 * The engine's blobs as files of the app, in a folder that no backup takes along: a second phone with the same state would evict this one. Making the
 * object touches no disk; its functions do, and are called by the engine on threads of its own.
 */
class FileStorage internal constructor(private val files: WholeFiles) : Storage {
    constructor(context: Context) : this(WholeFiles({ File(context.noBackupFilesDir, "countersign") }))

    override fun load(name: String): ByteArray? = try {
        files.read(name)
    } catch (e: IOException) {
        throw StorageException.Failed("the phone's files cannot be read (${e.message}): restart the phone and try again")
    }

    override fun save(name: String, bytes: ByteArray) = try {
        files.replace(name, bytes)
    } catch (e: IOException) {
        throw StorageException.Failed("the phone's files cannot be written (${e.message}): make room on the phone and try again")
    }

    /**
     * Forgets everything this phone knows, for good. Close the `Authenticator` first, and call [KeystoreKeychain.erase] before this: whatever is left
     * if the app is killed between them counts as `Found.Remains`. Waits for the disk.
     */
    fun erase() = try {
        files.erase()
    } catch (e: IOException) {
        throw StorageException.Failed("the phone's files cannot be erased (${e.message}): restart the phone and try again")
    }
}
