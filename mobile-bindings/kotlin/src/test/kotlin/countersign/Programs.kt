package countersign

import kotlinx.coroutines.runBlocking
import java.io.File
import java.nio.file.Files

private fun program(name: String): String {
    val folder = checkNotNull(System.getProperty("programs")) { "run the tests with mobile-bindings/kotlin/run" }
    return File(folder, name).also { check(it.canExecute()) { "$it is missing: mobile-bindings/kotlin/run builds it" } }.path
}

/** The real relay, on a free port of this machine unless `address` is given. */
class Relay(address: String = "127.0.0.1:0") : AutoCloseable {
    private val running = Running(ProcessBuilder(program("countersign-relay"), "--listen", address))
    val url: String = runBlocking { running.outs(Regex("listening on (\\S+)\n")) }
    val address: String get() = url.removePrefix("ws://")

    suspend fun kill() = running.kill()

    override fun close() = running.close()

    companion object {
        /** One for all tests that don't kill it. */
        val shared: Relay by lazy { Relay().also { Runtime.getRuntime().addShutdownHook(Thread(it::close)) } }
    }
}

/** A laptop's (or job's) folder, in which the real `countersign` runs. */
class Laptop(private val relayUrl: String) : AutoCloseable {
    private val folder = Files.createTempDirectory("countersign").toFile()
    private val key = File(folder, "countersign.key")
    val config = File(folder, "countersign.toml")

    /** Starts `countersign` with these arguments. */
    fun countersign(vararg arguments: String): Running {
        val builder = ProcessBuilder(program("countersign"), *arguments).directory(folder)
        builder.environment().keys.retainAll(setOf("PATH", "TMPDIR"))
        if (key.exists() && arguments.first() != "pair") builder.environment()["COUNTERSIGN_KEY_FILE"] = key.path
        return Running(builder)
    }

    fun pair(name: String) = countersign("pair", "--relay", relayUrl, "--name", name, "--no-qr", "--key-file", key.path)

    /** A job that wants a code of `seed`. */
    fun code(seed: String = "npm", vararg more: String) = countersign("code", seed, "--json", *more)

    /** The sealed text of a seed in countersign.toml. */
    fun sealed(seed: String): String? = Regex("""\[seed\.$seed]\s[^\[]*?sealed = "([^"]+)"""").find(config.readText())?.groupValues?.get(1)

    override fun close() {
        folder.deleteRecursively()
    }
}

/** The pairing text on a laptop's screen. */
suspend fun Running.pairingText() = errs(Regex("(COUNTERSIGN-PAIR-1[^\\s]+)\\s"))

/** The match number of a request. */
suspend fun Running.number() = errs(Regex(""""event":"number"[^\n]*"number":"(\d+)""""))

/** The number of a request that had to begin anew. */
suspend fun Running.lastNumber() = errs(Regex(""""event":"number"(?s:.*)"event":"number"[^\n]*"number":"(\d+)""""))
