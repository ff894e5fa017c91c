package countersign

import uniffi.countersign_mobile.Keychain
import uniffi.countersign_mobile.KeychainException
import uniffi.countersign_mobile.Storage
import uniffi.countersign_mobile.StorageException
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.file.Files
import java.nio.file.NoSuchFileException
import java.nio.file.Path
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardOpenOption.APPEND
import java.nio.file.StandardOpenOption.CREATE
import java.nio.file.StandardOpenOption.READ
import java.nio.file.StandardOpenOption.TRUNCATE_EXISTING
import java.nio.file.StandardOpenOption.WRITE
import kotlin.io.path.exists

// region: storage
/** Each blob in a file of its own, replaced whole and on disk when `save` returns. `folderToDisk` is handed in so that a test can have it fail. */
class FileStorage(private val folder: Path, private val folderToDisk: (Path) -> Unit = ::toDisk) : Storage {
    override fun load(name: String): ByteArray? = try {
        bytesOf(name)
    } catch (problem: IOException) {
        throw StorageException.Failed("the phone's files can't be read ($problem): mend the folder and try again")
    }

    override fun save(name: String, bytes: ByteArray) = try {
        val old = bytesOf(name)
        replace(name, bytes)
        try {
            folderToDisk(folder)
        } catch (problem: IOException) {
            // The new file may or may not outlive a crash, and the engine takes it for not saved: only the old one may be found. The same disk has to keep that.
            runCatching {
                if (old == null) Files.delete(folder.resolve(name)) else replace(name, old)
                folderToDisk(folder)
            }
            throw problem
        }
    } catch (problem: IOException) {
        throw StorageException.Failed("the phone's files can't be written ($problem): make room and try again")
    }

    /** Null only if there is no such file: one that can't be looked at would count as lost, and be written over. */
    private fun bytesOf(name: String): ByteArray? = try {
        Files.readAllBytes(folder.resolve(name))
    } catch (_: NoSuchFileException) {
        null
    }

    private fun replace(name: String, bytes: ByteArray) {
        val fresh = folder.resolve("$name.new")
        try {
            FileChannel.open(fresh, CREATE, WRITE, TRUNCATE_EXISTING).use { file ->
                val rest = ByteBuffer.wrap(bytes)
                while (rest.hasRemaining()) file.write(rest)
                file.force(true)
            }
            Files.move(fresh, folder.resolve(name), ATOMIC_MOVE)
        } finally {
            // What did not fit takes no room.
            Files.deleteIfExists(fresh)
        }
    }
}

/** A new name is on disk only when its folder is. */
private fun toDisk(folder: Path) = FileChannel.open(folder, READ).use { it.force(true) }
// endregion

/** Keys in files, for tests alone: a real app has a key store and a prompt. Counts the prompts in a file, too. */
class FileKeychain(folder: Path) : Keychain {
    private val secrets = FileStorage(folder)
    private val prompts = folder.resolve("prompts")

    fun prompts(): Int = if (prompts.exists()) Files.readAllLines(prompts).size else 0

    override fun load(name: String): ByteArray? = secrets.load("key-$name")

    override fun store(name: String, secret: ByteArray) = secrets.save("key-$name", secret)

    override suspend fun protect(name: String, secret: ByteArray, reason: String) = secrets.save("key-$name", secret)

    override suspend fun unlock(name: String, reason: String): ByteArray {
        Files.write(prompts, listOf(reason), CREATE, APPEND)
        return secrets.load("key-$name") ?: throw KeychainException.Missing()
    }
}
