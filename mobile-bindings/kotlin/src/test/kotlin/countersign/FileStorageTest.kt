package countersign

import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.StorageException
import uniffi.countersign_mobile.findPhone
import java.io.IOException
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.createDirectories
import kotlin.io.path.deleteExisting
import kotlin.io.path.listDirectoryEntries
import kotlin.io.path.moveTo
import kotlin.io.path.name
import kotlin.io.path.writeBytes

/** Files that can't be written or read: the old bytes stay, and nothing is taken for missing that is there. */
class FileStorageTest {
    @TempDir
    lateinit var folder: Path

    private val storage get() = FileStorage(folder)

    private val names get() = folder.listDirectoryEntries().map { it.name }.sorted()

    @Test
    fun `what was saved last is there`() {
        assertNull(storage.load("seeds"))
        storage.save("seeds", byteArrayOf(1, 2))
        storage.save("phone-copy", byteArrayOf())
        storage.save("seeds", byteArrayOf(3))
        assertArrayEquals(byteArrayOf(3), storage.load("seeds"))
        assertArrayEquals(byteArrayOf(), storage.load("phone-copy"))
        assertEquals(listOf("phone-copy", "seeds"), names)
    }

    @Test
    fun `a folder that does not get to disk leaves the old bytes`() {
        val full = FileStorage(folder) { throw IOException("no space") }
        val failure = assertThrows<StorageException.Failed> { full.save("seeds", byteArrayOf(1)) }
        assertTrue("make room" in failure.detail, failure.detail)
        assertNull(storage.load("seeds"))
        storage.save("seeds", byteArrayOf(1))
        assertThrows<StorageException.Failed> { full.save("seeds", byteArrayOf(2)) }
        assertArrayEquals(byteArrayOf(1), storage.load("seeds"))
        assertEquals(listOf("seeds"), names)
    }

    @Test
    fun `a file that can't be written leaves the old bytes`() {
        storage.save("seeds", byteArrayOf(1))
        // Nothing can be written where a folder is.
        folder.resolve("seeds.new/x").createDirectories()
        assertThrows<StorageException.Failed> { storage.save("seeds", byteArrayOf(2)) }
        assertArrayEquals(byteArrayOf(1), storage.load("seeds"))
    }

    @Test
    fun `what was left unfinished is neither read nor in the way`() {
        storage.save("seeds", byteArrayOf(1))
        folder.resolve("seeds.new").writeBytes(ByteArray(5000))
        assertArrayEquals(byteArrayOf(1), storage.load("seeds"))
        storage.save("seeds", byteArrayOf(2))
        assertArrayEquals(byteArrayOf(2), storage.load("seeds"))
        assertEquals(listOf("seeds"), names)
    }

    @Test
    fun `a file that can't be read is not a missing one`() = test {
        Sample(storage, FileKeychain(folder), Person()).use { it.open("pixel") }
        val (blob, aside) = folder.resolve("seeds") to folder.resolve("aside")
        blob.moveTo(aside)
        // A link to itself: `exists` says that there is nothing.
        Files.createSymbolicLink(blob, blob)
        assertThrows<StorageException.Failed> { storage.load("seeds") }
        assertThrows<StorageException.Failed> { storage.save("seeds", byteArrayOf(1)) }
        fails<AuthenticatorException.Storage> { findPhone(storage, FileKeychain(folder)) }
        fails<AuthenticatorException.Storage> { Sample(storage, FileKeychain(folder), Person()).use { it.open("pixel") } }
        blob.deleteExisting()
        aside.moveTo(blob)
        Sample(storage, FileKeychain(folder), Person()).use { it.open("pixel") }
    }
}
