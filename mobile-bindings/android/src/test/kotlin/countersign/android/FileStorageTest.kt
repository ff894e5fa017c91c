package countersign.android

import android.content.ContextWrapper
import java.io.File
import java.io.IOException
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.concurrent.thread
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource
import uniffi.countersign_mobile.StorageException

class FileStorageTest {
    @TempDir
    lateinit var above: File

    private val folder get() = File(above, "countersign")

    private fun storage(sync: (File) -> Unit = ::syncWithNio) = FileStorage(WholeFiles({ folder }, sync))

    @Test
    fun `what was saved last is there, also for the next process`() {
        assertNull(storage().load("seeds"))
        storage().save("seeds", byteArrayOf(1, 2))
        storage().save("phone-copy", byteArrayOf())
        storage().save("seeds", byteArrayOf(3))
        assertArrayEquals(byteArrayOf(3), storage().load("seeds"))
        assertArrayEquals(byteArrayOf(), storage().load("phone-copy"))
        assertEquals(setOf("seeds", "phone-copy"), folder.list().orEmpty().toSet())
        storage().erase()
        assertEquals(emptyList<String>(), folder.list().orEmpty().toList())
        assertNull(storage().load("seeds"))
    }

    @ParameterizedTest
    @ValueSource(strings = ["", ".", "..", "../x", "a/b", "A", "a.b", ".new-a", "-a", "a\u0000", "ä", "a\n"])
    fun `only names reach the file system`(name: String) {
        assertThrows<StorageException.Failed> { storage().save(name, byteArrayOf(1)) }
        assertThrows<StorageException.Failed> { storage().load(name) }
        assertThrows<StorageException.Failed> { storage().save("a".repeat(65), byteArrayOf(1)) }
        assertEquals(emptyList<String>(), above.walk().drop(1).map(File::getName).toList())
    }

    @Test
    fun `a folder that does not get to disk leaves the old bytes`() {
        val failure = assertThrows<StorageException.Failed> { storage(::full).save("seeds", byteArrayOf(1)) }
        assertTrue("make room" in failure.detail, failure.detail)
        assertNull(storage().load("seeds"))
        storage().save("seeds", byteArrayOf(1))
        assertThrows<StorageException.Failed> { storage(::full).save("seeds", byteArrayOf(2)) }
        assertThrows<StorageException.Failed> { storage(::full).save("pairings", byteArrayOf(2)) }
        assertArrayEquals(byteArrayOf(1), storage().load("seeds"))
        assertEquals(listOf("seeds"), folder.list().orEmpty().toList())
    }

    @Test
    fun `when the old bytes can't be put back either, the first failure is told`() {
        storage().save("seeds", byteArrayOf(1))
        val files = WholeFiles({ folder }) {
            File(folder, ".new-seeds/x").mkdirs()
            throw IOException("first")
        }
        val failure = assertThrows<IOException> { files.replace("seeds", byteArrayOf(2)) }
        assertEquals("first", failure.message)
        assertEquals(1, failure.suppressed.size)
    }

    @Test
    fun `old bytes that were put back are brought to disk, too`() {
        storage().save("seeds", byteArrayOf(1))
        val found = mutableListOf<List<Byte>>()
        val files = WholeFiles({ folder }) {
            found += File(folder, "seeds").readBytes().toList()
            if (found.size == 1) throw IOException("once")
        }
        assertThrows<IOException> { files.replace("seeds", byteArrayOf(2)) }
        assertEquals(listOf(listOf<Byte>(2), listOf<Byte>(1)), found)
    }

    @Test
    fun `a new folder is on disk before anything in it`() {
        val synced = mutableListOf<File>()
        var trouble = true
        val files = WholeFiles({ folder }) {
            synced += it
            if (trouble) throw IOException("no")
        }
        assertThrows<IOException> { files.replace("seeds", byteArrayOf(1)) }
        assertFalse(folder.exists())
        trouble = false
        files.replace("seeds", byteArrayOf(1))
        files.replace("seeds", byteArrayOf(2))
        assertEquals(listOf(above, above, folder, folder), synced)
    }

    @Test
    fun `what can't be looked into does not count as erased`() {
        storage().erase()
        folder.writeText("no folder")
        assertThrows<StorageException.Failed> { storage().erase() }
    }

    @Test
    fun `a file that can't be written leaves the old bytes`() {
        storage().save("seeds", byteArrayOf(1))
        // Nothing can be written where a folder is.
        File(folder, ".new-seeds/x").mkdirs()
        assertThrows<StorageException.Failed> { storage().save("seeds", byteArrayOf(2)) }
        assertArrayEquals(byteArrayOf(1), storage().load("seeds"))
        folder.deleteRecursively()
        folder.writeText("no folder")
        assertThrows<StorageException.Failed> { storage().save("seeds", byteArrayOf(2)) }
    }

    @Test
    fun `what a killed app left unfinished is neither read nor in the way`() {
        storage().save("seeds", byteArrayOf(1))
        File(folder, ".new-seeds").writeBytes(ByteArray(5000))
        assertArrayEquals(byteArrayOf(1), storage().load("seeds"))
        storage().save("seeds", byteArrayOf(2))
        assertArrayEquals(byteArrayOf(2), storage().load("seeds"))
        assertEquals(listOf("seeds"), folder.list().orEmpty().toList())
    }

    @Test
    fun `whoever reads meanwhile sees one or the other, whole`() {
        storage().save("seeds", ByteArray(50_000))
        val stop = AtomicBoolean()
        val failures = ConcurrentLinkedQueue<Throwable>()
        val writers = (1..2).map { writer ->
            thread {
                try {
                    while (!stop.get()) storage { }.save("seeds", ByteArray(50_000) { writer.toByte() })
                } catch (e: Throwable) {
                    failures += e
                }
            }
        }
        try {
            repeat(300) {
                val bytes = storage().load("seeds")!!
                assertEquals(50_000, bytes.size)
                assertTrue(bytes.all { it == bytes[0] })
            }
        } finally {
            stop.set(true)
            writers.forEach(Thread::join)
        }
        assertEquals(emptyList<Throwable>(), failures.toList())
    }

    @Test
    fun `it lives where no backup looks, and looks there only when it is used`() {
        var asked = 0
        val context = object : ContextWrapper(null) {
            override fun getNoBackupFilesDir() = above.also { asked += 1 }
        }
        folder.mkdirs()
        File(folder, "seeds").writeBytes(byteArrayOf(7))
        val storage = FileStorage(context)
        assertEquals(0, asked)
        assertArrayEquals(byteArrayOf(7), storage.load("seeds"))
    }
}
