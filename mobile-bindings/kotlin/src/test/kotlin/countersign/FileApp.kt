package countersign

import uniffi.countersign_mobile.Keychain
import uniffi.countersign_mobile.Storage
import uniffi.countersign_mobile.StorageException
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardOpenOption.CREATE
import java.nio.file.StandardOpenOption.READ
import java.nio.file.StandardOpenOption.TRUNCATE_EXISTING
import java.nio.file.StandardOpenOption.WRITE
import kotlin.io.path.exists
import kotlin.io.path.readBytes

// region: storage
/** Each blob in a file of its own, replaced whole and on disk when `save` returns. */
class FileStorage(private val folder: Path) : Storage {
    /** Whether nothing was ever saved. */
    fun isEmpty(): Boolean = Files.list(folder).use { files -> files.allMatch { it.fileName.toString().endsWith(".new") } }

    override fun load(name: String): ByteArray? = folder.resolve(name).takeIf { it.exists() }?.readBytes()

    override fun save(name: String, bytes: ByteArray) = try {
        val fresh = folder.resolve("$name.new")
        FileChannel.open(fresh, CREATE, WRITE, TRUNCATE_EXISTING).use { file ->
            val rest = ByteBuffer.wrap(bytes)
            while (rest.hasRemaining()) file.write(rest)
            file.force(true)
        }
        Files.move(fresh, folder.resolve(name), ATOMIC_MOVE)
        FileChannel.open(folder, READ).use { it.force(true) }
    } catch (problem: IOException) {
        throw StorageException.Failed("${problem.message}; make room and try again")
    }
}
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
        Files.write(prompts, listOf(reason), CREATE, java.nio.file.StandardOpenOption.APPEND)
        return checkNotNull(secrets.load("key-$name"))
    }
}
