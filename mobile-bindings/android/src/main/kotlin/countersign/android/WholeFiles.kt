package countersign.android

import android.system.ErrnoException
import android.system.Os
import android.system.OsConstants
import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.nio.file.Files
import java.nio.file.NoSuchFileException

/** Names of the engine: small letters and dashes. Nothing else reaches a file system or a key store. */
private val NAME = Regex("[a-z][a-z-]{0,63}")

internal fun isName(name: String) = NAME.matches(name)

/** What was being written when the app was killed begins with this. Not a name. */
private const val UNFINISHED = ".new-"

/** One for the process, so that two objects for one folder do not get in each other's way. */
private val lock = Any()

/**
 * Files of one folder, each only ever replaced as a whole. [where] is asked at the first use: on Android already the question touches the disk.
 * [folderToDisk] is handed in so that a test can have it fail.
 */
internal class WholeFiles(where: () -> File, private val folderToDisk: (File) -> Unit = ::syncFolder) {
    private val folder by lazy(where)

    /** The bytes of a file; null if there is no such file. */
    fun read(name: String): ByteArray? = synchronized(lock) {
        bytesOf(place(name))
    }

    /**
     * Returns when the new bytes are on disk. If it throws, the old ones are what is found, also after a restart; unless the disk takes the new name,
     * then fails, and then has no room for the old bytes: nothing brings those back. (Apps may make no hard links, so no second name can keep them.)
     */
    fun replace(name: String, bytes: ByteArray) = synchronized(lock) {
        val file = place(name)
        makeFolder()
        val old = bytesOf(file)
        put(file, bytes)
        try {
            folderToDisk(folder)
        } catch (e: IOException) {
            // The new name may or may not outlive a crash: only the old one must.
            putBack(file, old, e)
            throw e
        }
    }

    private fun makeFolder() {
        if (folder.isDirectory) return
        if (!folder.mkdirs()) throw IOException("cannot make the folder ${folder.name}")
        try {
            folder.parentFile?.let(folderToDisk)
        } catch (e: IOException) {
            // The next attempt has to see to it again.
            folder.delete()
            throw e
        }
    }

    /** What else goes wrong does not hide [why]. */
    private fun putBack(file: File, old: ByteArray?, why: IOException) {
        try {
            if (old != null) put(file, old) else if (!file.delete()) throw IOException("cannot delete ${file.name}")
            folderToDisk(folder)
        } catch (e: IOException) {
            why.addSuppressed(e)
        }
    }

    /** Removes all of them. */
    fun erase() = synchronized(lock) {
        // Also null if it is there and can't be looked into.
        val files = folder.listFiles() ?: if (folder.exists()) throw IOException("cannot read the folder ${folder.name}") else return
        for (file in files) {
            if (!file.delete()) throw IOException("cannot delete ${file.name}")
        }
        folderToDisk(folder)
    }

    /** Null only if there is no such file: one that can't be looked at would begin anew, and be written over. */
    private fun bytesOf(file: File): ByteArray? = try {
        Files.readAllBytes(file.toPath())
    } catch (_: NoSuchFileException) {
        null
    }

    private fun put(file: File, bytes: ByteArray) {
        val new = File(folder, UNFINISHED + file.name)
        try {
            FileOutputStream(new).use {
                it.write(bytes)
                it.fd.sync()
            }
            if (!new.renameTo(file)) throw IOException("cannot replace ${file.name}")
        } catch (e: IOException) {
            new.delete()
            throw e
        }
    }

    private fun place(name: String): File {
        if (!isName(name)) throw IOException("this is no name for a file: only small letters and dashes are")
        return File(folder, name)
    }
}

/** A new name is on disk only when its folder is. */
private fun syncFolder(folder: File) {
    try {
        val open = Os.open(folder.path, OsConstants.O_RDONLY, 0)
        try {
            Os.fsync(open)
        } finally {
            Os.close(open)
        }
    } catch (e: ErrnoException) {
        throw IOException("cannot write the folder ${folder.name}", e)
    }
}
