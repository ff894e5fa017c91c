package countersign

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Keychain
import uniffi.countersign_mobile.SeedImport
import uniffi.countersign_mobile.Storage
import uniffi.countersign_mobile.StorageException
import java.io.File
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.createDirectory
import kotlin.io.path.deleteExisting
import kotlin.io.path.listDirectoryEntries
import kotlin.io.path.name
import kotlin.io.path.readBytes
import kotlin.io.path.writeBytes

/** The sample that docs/EMBEDDING.md shows does what it says there. */
class SampleTest {
    @TempDir
    lateinit var folder: Path

    @Test
    fun `from nothing to an approval`() = test {
        Laptop(Relay.shared.url).use { laptop ->
            opened(folder) {
                person.pair(app, laptop, "acme/widget")
                val enrolling = laptop.countersign("enroll", "npm", "--json")
                val number = enrolling.number()
                // A bad picture first: the request waits for a better one.
                person.asked().answer(Answer.Approve(number, allow = true, picture = Pictures.empty()))
                assertTrue(person.told().contains("picture"))
                person.asked().answer(Answer.Approve(number, allow = true, picture = Pictures.qr(URI)))
                assertEquals(0, enrolling.end().code)
                val before = Totp.step()
                val job = laptop.code()
                person.asked().answer(Answer.Approve(job.number(), allow = false))
                val ended = job.end()
                assertEquals(0, ended.code, ended.err)
                assertTrue(ended.out.trim() in (before..Totp.step()).map(Totp::code))
            }
            // Closed and opened again, after somebody has damaged a blob.
            folder.resolve("history").writeBytes(byteArrayOf(1))
            opened(folder) {
                assertEquals("The history was lost", person.told())
                val job = laptop.code()
                person.asked().answer(Answer.Deny("not today"))
                assertEquals(200, job.end().code)
            }
        }
    }

    @Test
    fun `one sample is one phone, opened once`() = test {
        suspend fun refused(call: suspend () -> Unit) = assertTrue(fails<IllegalStateException> { call() }.message!!.contains("open"))
        Sample(FileStorage(folder), FileKeychain(folder), Person()).use { app ->
            refused { app.pair("nonsense") }
            refused { app.answerRequests() }
            app.open("pixel")
            refused { app.open("pixel") }
            assertEquals("pixel", app.phone.identity().name)
            app.close()
            refused { app.open("pixel") }
        }
        // Closed before it was opened.
        refused { Sample(FileStorage(folder), FileKeychain(folder), Person()).apply { close() }.open("pixel") }
        // What failed may be tried again, and two at once are not two phones.
        val full = Full(FileStorage(folder.resolve("other").createDirectory()), 0)
        Sample(full, FileKeychain(folder.resolve("other")), Person()).use { app ->
            fails<AuthenticatorException.Storage> { app.open("pixel") }
            full.room = 100
            val opening = List(2) { async(Dispatchers.Default) { runCatching { app.open("pixel") } } }.awaitAll()
            assertEquals(1, opening.count { it.isSuccess })
        }
    }

    @Test
    fun `closing ends a pairing, and a prompt that nobody answers`() = test {
        val prompt = Unanswered()
        val keychain = object : Keychain by FileKeychain(folder) {
            override suspend fun unlock(name: String, reason: String): ByteArray {
                prompt.prompt()
                error("nobody answers it")
            }
        }
        opened(folder, keychain) {
            Laptop(Relay.shared.url).use { laptop ->
                laptop.pair("acme/widget").use { screen ->
                    val text = screen.pairingText()
                    val pairing = async { fails<AuthenticatorException.StartAgain> { app.pair(text) } }
                    person.digits()
                    val unlocking = async { fails<AuthenticatorException.Unlock> { app.phone.backUp("correct horse battery", withUnlockKey = true) } }
                    withTimeout(PATIENCE) { prompt.shown.await() }
                    app.close()
                    withTimeout(PATIENCE) {
                        prompt.cancelled.await()
                        unlocking.await()
                        pairing.await()
                        answering.join()
                    }
                }
            }
        }
    }

    /** Nothing more gets to disk after so many writes. */
    private class Full(private val storage: Storage, @Volatile var room: Int) : Storage by storage {
        override fun save(name: String, bytes: ByteArray) {
            if (room-- <= 0) throw StorageException.Failed("the disk is full")
            storage.save(name, bytes)
        }

        val wasFull get() = room < 0
    }

    @Test
    fun `a set-up that was cut short just works the next time, at whichever write`() = test {
        var writes = 0
        do {
            val here = folder.resolve("$writes").createDirectory()
            val storage = Full(FileStorage(here), writes)
            val first = runCatching { Sample(storage, FileKeychain(here), Person()).use { it.open("first") } }
            first.onFailure { assertTrue(it is AuthenticatorException.Storage, it.stackTraceToString()) }
            repeat(2) {
                Sample(FileStorage(here), FileKeychain(here), Person()).use { app ->
                    app.open("second")
                    assertEquals(if (first.isSuccess) "first" else "second", app.phone.identity().name)
                    // The two keys are of one phone.
                    app.phone.enroll(SeedImport.fromText(URI), listOf(0u), listOf())
                }
            }
            writes++
        } while (storage.wasFull)
        // What the engine keeps of a new phone, begun and done.
        assertEquals(9, writes)
    }

    @Test
    fun `what is left of a phone is not replaced`() = test {
        suspend fun refused(what: String) {
            val before = files()
            val problem = fails<AuthenticatorException.SetUp> { Sample(FileStorage(folder), FileKeychain(folder), Person()).use { it.open("pixel") } }
            assertTrue(problem.message!!.contains("backup") || problem.message!!.contains("begin anew"), "$what: ${problem.message}")
            assertEquals(before, files(), what)
        }
        opened(folder) {}
        val all = folder.listDirectoryEntries().associateWith { it.readBytes() }
        fun change(change: (Path) -> Unit, which: (String) -> Boolean) {
            all.forEach { (path, bytes) -> path.writeBytes(bytes) }
            all.keys.filter { which(it.name) }.forEach(change)
        }
        change({ it.writeBytes(byteArrayOf()) }) { it == "phone" || it == "phone-copy" }
        refused("damaged")
        change(Path::deleteExisting) { it == "key-device-root" }
        refused("without its key")
        change(Path::deleteExisting) { !it.startsWith("key-") }
        refused("keys alone")
        change({}) { true }
        opened(folder) {}
    }

    private fun files() = folder.listDirectoryEntries().associate { it.name to Files.readAllBytes(it).toList() }

    @Test
    fun `every region of the sample is closed`() {
        for (file in listOf("Sample.kt", "FileApp.kt")) {
            val open = mutableListOf<String>()
            for (line in File("src/test/kotlin/countersign/$file").readLines().map { it.trim() }) {
                if (line.startsWith("// region: ")) open += line
                if (line == "// endregion") open.removeLast()
                assertTrue(open.size <= 1, "$file: $open")
            }
            assertEquals(listOf<String>(), open)
        }
    }
}
