package countersign

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File

/** What crosses the boundary outwards, by the library's own metadata and by the generated Kotlin: nothing that holds a seed, a code or a key. */
class ExportsTest {
    private val generated = File(checkNotNull(System.getProperty("generated")) { "run the tests with mobile-bindings/kotlin/run" })
    private val metadata = Metadata(File(generated, "metadata.txt").readText())
    private val kotlin = File(generated, "kotlin/uniffi/countersign_mobile/countersign_mobile.kt").readLines()

    @Test
    fun `everything that comes out is in the list`() {
        val list = checkNotNull(javaClass.getResource("/outwards.txt")).readText().lines()
        val allowed = list.map { it.substringBefore('#').trim() }.filter { it.isNotEmpty() }
        val found = outwards()
        assertEquals(allowed.sorted().joinToString("\n"), found.sorted().joinToString("\n"), "look at what is new, then change outwards.txt")
    }

    @Test
    fun `bytes come out at four places alone`() {
        assertEquals(
            setOf(
                "Authenticator.back_up() -> Bytes", // an age file with a passphrase
                "Keychain.store(secret: Bytes)", // the device root: the app's keychain is where it lives
                "Keychain.protect(secret: Bytes)", // the unlock root: the same
                "Storage.save(bytes: Bytes)", // encrypted
            ),
            outwards().filter { it.contains("Bytes") }.toSet(),
        )
    }

    @Test
    fun `no name tells of a secret`() {
        val suspicious = setOf(
            "secret", "secrets", "psk", "root", "key", "private", "passphrase", "password", "token", "auth", "otp", "otpauth", "uri", "totp",
            "code", "codes", "seed", "seeds", "digits", "number", "numbers",
        )
        val harmless = setOf(
            "Keychain.store(secret: Bytes)", // documented: the app's keychain is where it lives
            "Keychain.protect(secret: Bytes)",
            "PairingUi.show_digits(digits: String)", // to be typed into the laptop
            "PairingUi.show_digits(name: String)",
            "PendingRequest.digits: UInt8", // how many
            "PendingRequest.needs_seed: Boolean",
            "Verified.codes: UInt8", // how many
            "HistoryEntry.codes: UInt8",
            "Verified.seed: Option<String>", // its label
            "Claimed.seed_name: String",
            "Claimed.new_seed: Option<String>", // its label
            "Pairing.seeds: Vec<SeedRight>", // labels and rights
            "Attention.SeedUnused", // its id and label
            "Attention.SeedUnused.label: String",
            "Attention.SeedUnused.seed: String",
            "Attention.SeedUnused.since: UInt64",
            "RequestKind.Code", // what is asked for
            "LostPart.Seeds", // what is lost
            "ImportPart.number: UInt32", // which of how many
            "AuthenticatorError.WrongNumber", // that it was wrong
            "HistoryOutcome.WrongNumber",
            "Authenticator.seeds() -> Vec<Seed>", // ids, labels, times
            "Authenticator.remove_seed() -> nothing",
            "Authenticator.wake_up_key() -> Option<String>", // a relay's public key
            "Authenticator.restore_unlock_key() -> nothing",
        )
        val types = Regex("(?<=[:>]) .*") // a type's own name says nothing of what is in it: its fields do
        val told = outwards().filter { line ->
            val names = line.substringAfter('.').replace(types, "").replace(Regex("([a-z])([A-Z])"), "$1_$2").lowercase()
            names.split(Regex("[^a-z]+")).any { it in suspicious }
        }
        assertEquals(harmless.sorted().joinToString("\n"), told.sorted().joinToString("\n"))
    }

    @Test
    fun `the app is given no keychain or storage of the engine's`() {
        val traits = metadata.traits.map { it.name }
        val given = outwards().filter { line -> traits.any { Regex("[ <]$it\\b").containsMatchIn(line.substringAfter('.')) } }
        assertEquals(listOf<String>(), given)
    }

    @Test
    fun `the Kotlin has what the metadata says and nothing else`() {
        val runtime = setOf(
            "RustBuffer", "FfiConverter", "FfiConverterRustBuffer", "InternalException", "UniffiRustCallStatusErrorHandler",
            "UniffiNullRustCallStatusErrorHandler", "Disposable", "UniffiWithHandle", "NoHandle", "UniffiCleaner",
            "FfiConverterCallbackInterface", "uniffiEnsureInitialized", "uniffiForeignFutureHandleCount",
        )
        val declaration = Regex("""^(?:public |open |data |sealed |enum |abstract |inline |suspend )*(?:class|interface|object|fun|val|var|typealias) `?(\w+)""")
        val found = kotlin.mapNotNull { declaration.find(it)?.groupValues?.get(1) }
            .filterNot { it in runtime || it.startsWith("FfiConverter") }
        val expected = metadata.records.map { it.name } + metadata.enums.map { kotlinName(it.name) } +
            metadata.objects.flatMap { listOf(it.name, it.name + "Interface") } + metadata.traits.flatMap { listOf(it.name, it.name + "Impl") }
        assertEquals(expected.sorted(), found.sorted())
        val called = metadata.functions + metadata.objects.flatMap { it["constructors"].items }
        assertEquals(called.map { camel(it.name) }.sorted(), functions().map { it.value }.sorted())

        for (record in metadata.records) {
            val fields = block("data class ${record.name} (").mapNotNull { Regex("""^    va[lr] `(\w+)`: (.+?),?$""").find(it)?.destructured }
            val said = record["fields"].items.map { camel(it.name) to kotlinType(it["ty"]) }
            assertEquals(said, fields.map { (name, type) -> name to type.trim() }, record.name)
        }
        for (type in metadata.objects + metadata.traits) {
            val title = if (type in metadata.objects) "${type.name}Interface" else type.name
            val functions = block("public interface $title {").mapNotNull { Regex("""^    (?:suspend )?fun `(\w+)`\(.*?\)(?:: (.+))?$""").find(it)?.destructured }
            val said = type["methods"].items.map { camel(it.name) to (it["return_type"].some?.let(::kotlinType) ?: "") }
            assertEquals(said.toSet(), functions.map { (name, gives) -> name to gives.trim() }.toSet(), title)
        }
    }

    @Test
    fun `everything exported is documented in the Kotlin`() {
        val undocumented = mutableListOf<String>()
        val names = mutableSetOf<String>()
        fun look(node: Node, path: String) {
            if (node["docstring"].some == null) undocumented += "$path (in Rust)"
            names += path
        }
        for (record in metadata.records) {
            look(record, record.name)
            record["fields"].items.forEach { look(it, "${record.name}.${it.name}") }
        }
        for (enum in metadata.enums) {
            look(enum, enum.name)
            for (variant in enum["variants"].items) {
                look(variant, "${enum.name}.${variant.name}")
                variant["fields"].items.forEach { look(it, "${enum.name}.${variant.name}.${it.name}") }
            }
        }
        for (type in metadata.objects + metadata.traits) {
            look(type, type.name)
            (type["constructors"].items + type["methods"].items).forEach { look(it, "${type.name}.${it.name}") }
        }
        metadata.functions.forEach { look(it, it.name) }
        assertTrue(names.size > 150, "${names.size} items were looked at")

        val declaration = Regex("""^ *(?:@Throws\([^)]*\) )?(?:public |open |data |sealed |enum |override |suspend )*(?:class|interface|fun|va[lr]) `?(\w+)`?""")
        val ours = metadata.let { all -> all.records + all.enums + all.objects + all.traits }.map { kotlinName(it.name) }.toSet()
        fun isDocumented(at: Int) = kotlin.subList(0, at).last { it.isNotBlank() && !it.trim().startsWith("@") }.trim().endsWith("*/")
        undocumented += functions().filterNot { isDocumented(it.index) }.map { it.value }
        var inside = false
        for ((at, line) in kotlin.withIndex()) {
            if (line.isNotEmpty() && !line.startsWith(' ') && declaration.containsMatchIn(line)) {
                val title = declaration.find(line)!!.groupValues[1]
                inside = title in ours || title.removeSuffix("Interface") in ours
            }
            if (line.startsWith("}")) inside = false
            val top = !line.startsWith(' ')
            val name = declaration.find(line)?.groupValues?.get(1) ?: continue
            val wanted = if (top) name in ours else inside && (line.contains('`') || line.trim().startsWith("data class") || line.trim().startsWith("class"))
            if (wanted && !isDocumented(at)) undocumented += "line ${at + 1}: ${line.trim()}"
        }
        assertEquals("", undocumented.joinToString("\n"))
    }

    /** What the app can be given: what methods return and throw, what its own traits are called with, and all fields of these. */
    private fun outwards(): List<String> {
        val found = mutableListOf<String>()
        val reached = linkedSetOf<String>()
        fun reach(type: String): String {
            reached += Regex("\\w+").findAll(type).map { it.value }
            return type
        }
        fun call(name: String, it: Node) {
            val gives = it.fields["return_type"]?.let { type -> type.some?.type ?: "nothing" } ?: "Self"
            found += "$name() -> ${reach(gives)}"
            it["throws"].some?.let { error -> reach(error.type) }
        }
        for (it in metadata.functions) call(it.name, it)
        for (it in metadata.objects) for (method in it["constructors"].items + it["methods"].items) call("${it.name}.${method.name}", method)
        for (it in metadata.traits) for (method in it["methods"].items) for (argument in method["inputs"].items) {
            found += "${it.name}.${method.name}(${argument.name}: ${reach(argument["ty"].type)})"
        }
        val done = mutableSetOf<String>()
        while (true) {
            val next = reached.firstOrNull { done.add(it) } ?: break
            metadata.records.find { it.name == next }?.let { record ->
                for (field in record["fields"].items) found += "$next.${field.name}: ${reach(field["ty"].type)}"
            }
            metadata.enums.find { it.name == next }?.let { enum ->
                for (variant in enum["variants"].items) {
                    found += "$next.${variant.name}"
                    for (field in variant["fields"].items) found += "$next.${variant.name}.${field.name}: ${reach(field["ty"].type)}"
                }
            }
        }
        return found
    }

    /** Functions that are called on no object, with their lines: constructors, and those that belong to no type. Known by how uniffi indents them. */
    private fun functions(): List<IndexedValue<String>> = kotlin.withIndex().mapNotNull { (at, line) ->
        Regex("""^(?: {5}suspend | {4}@Throws\(\S+\) | )fun `(\w+)`""").find(line)?.let { IndexedValue(at, it.groupValues[1]) }
    }

    private fun block(start: String): List<String> {
        val from = kotlin.indexOf(start)
        assertTrue(from >= 0, "no '$start'")
        return kotlin.drop(from + 1).takeWhile { !it.startsWith("}") && !it.startsWith("){") }
    }

    private fun camel(name: String) = name.split('_').let { words -> words[0] + words.drop(1).joinToString("") { it.replaceFirstChar(Char::uppercase) } }

    private fun kotlinName(name: String) = if (name.endsWith("Error")) name.removeSuffix("Error") + "Exception" else name

    private fun kotlinType(type: Node): String = when (type.kind) {
        "Optional" -> kotlinType(type["inner_type"]) + "?"
        "Sequence" -> "List<${kotlinType(type["inner_type"])}>"
        "Bytes" -> "kotlin.ByteArray"
        "UInt8" -> "kotlin.UByte"
        "UInt32" -> "kotlin.UInt"
        "UInt64" -> "kotlin.ULong"
        "Int64" -> "kotlin.Long"
        "String", "Boolean" -> "kotlin.${type.kind}"
        else -> kotlinName(type.name)
    }
}
