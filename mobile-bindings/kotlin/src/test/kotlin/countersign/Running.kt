package countersign

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.future.await
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeoutOrNull
import java.io.IOException
import java.io.InputStream
import kotlin.time.Duration.Companion.seconds

/** Longest that anything in these tests may take; only a hang gets there. */
val PATIENCE = 60.seconds

/** How a program ended. */
data class Ended(val code: Int, val out: String, val err: String)

/** A real program as a child process, driven by what it prints. */
class Running(builder: ProcessBuilder) : AutoCloseable {
    private data class Text(val soFar: String = "", val ended: Boolean = false)

    private val name = builder.command().joinToString(" ")
    private val process = builder.start()
    private val out = MutableStateFlow(Text())
    private val err = MutableStateFlow(Text())
    private val readers = listOf(follow(process.inputStream, out), follow(process.errorStream, err))

    /** Types a line. A program that has ended meanwhile is told nothing: how it ended says why. */
    fun say(line: String) {
        try {
            process.outputStream.write("$line\n".toByteArray())
            process.outputStream.flush()
        } catch (_: IOException) {
        }
    }

    /** Closes its standard input. */
    fun hush() = process.outputStream.close()

    /** Forgets what it has printed so far. */
    fun forget() {
        out.update { it.copy(soFar = "") }
        err.update { it.copy(soFar = "") }
    }

    /** Waits for a match on standard error; gives its first group. */
    suspend fun errs(regex: Regex): String = await(err, regex)

    /** Waits for a match on standard output; gives its first group. */
    suspend fun outs(regex: Regex): String = await(out, regex)

    private suspend fun await(stream: MutableStateFlow<Text>, regex: Regex): String {
        withTimeoutOrNull(PATIENCE) { stream.first { it.ended || regex.containsMatchIn(it.soFar) } }
        val found = regex.find(stream.value.soFar) ?: error("$name: no '$regex' in:\n${out.value.soFar}\n${err.value.soFar}")
        return found.groupValues.last()
    }

    /** Waits for its end. */
    suspend fun end(): Ended {
        val code = withTimeoutOrNull(PATIENCE) {
            readers.joinAll()
            process.onExit().await().exitValue()
        }
        return Ended(code ?: error("$name does not end:\n${err.value.soFar}"), out.value.soFar, err.value.soFar)
    }

    /** Asks it to end (SIGTERM). */
    fun terminate() {
        // Through the handle: Process.destroy closes the pipes, and with them what was not read yet.
        process.toHandle().destroy()
    }

    /** Kills it (SIGKILL). */
    suspend fun kill() {
        process.toHandle().destroyForcibly()
        end()
    }

    override fun close() {
        process.destroyForcibly()
    }

    private companion object {
        val scope = CoroutineScope(SupervisorJob() + Dispatchers.IO.limitedParallelism(128))

        fun follow(from: InputStream, into: MutableStateFlow<Text>): Job = scope.launch {
            val bytes = ByteArray(4096)
            // A process that is killed closes its pipes under the reader.
            while (true) {
                val length = runCatching { from.read(bytes) }.getOrDefault(-1)
                if (length < 0) break
                into.update { Text(it.soFar + String(bytes, 0, length)) }
            }
            into.update { it.copy(ended = true) }
        }
    }
}
