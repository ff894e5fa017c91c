package countersign

/** A node of the metadata that uniffi writes into the library, as `uniffi-bindgen pipeline` prints it: Rust's `{:#?}`. */
class Node(val kind: String) {
    val fields = LinkedHashMap<String, Node>()
    val items = mutableListOf<Node>()

    operator fun get(field: String): Node = checkNotNull(fields[field]) { "$kind has no $field, but ${fields.keys}" }

    /** What `Some(...)` holds. */
    val some: Node? get() = if (kind == "None") null else items.single()

    val name: String get() = this["name"].kind

    /** A type, as Rust writes it. */
    val type: String
        get() = when (kind) {
            "Optional" -> "Option<${this["inner_type"].type}>"
            "Sequence" -> "Vec<${this["inner_type"].type}>"
            "Record", "Enum", "Interface" -> name
            "String", "Bytes", "Boolean", "UInt8", "UInt32", "UInt64", "Int64" -> kind
            else -> error("a type that this test does not know: $kind")
        }
}

/** Reads it. */
class Metadata(text: String) {
    private val lines = text.lines().dropWhile { !it.startsWith("Root") }.map { it.trim() }.iterator()
    private val root = read(lines.next())
    private val namespace = root["namespaces"].fields.values.single()

    val functions = namespace["functions"].items
    private val types = namespace["type_definitions"].items.map { it.items.single() }

    val records = types.filter { it.kind == "Record" }
    val enums = types.filter { it.kind == "Enum" }

    /** What the library implements. */
    val objects = types.filter { it.kind == "Interface" && it["imp"].kind == "Struct" }

    /** What the app implements. */
    val traits = types.filter { it.kind == "Interface" && it["imp"].kind == "Trait" }

    init {
        check(types.size == records.size + enums.size + objects.size + traits.size) { "a kind of type that this test does not know" }
        check(objects.isNotEmpty() && traits.isNotEmpty() && records.isNotEmpty() && enums.isNotEmpty()) { "nothing was read" }
    }

    private fun read(text: String): Node {
        val line = text.removeSuffix(",")
        if (line.last() !in "{[(" || line.startsWith('"')) return Node(literal(line))
        val node = Node(line.dropLast(1).trim())
        for (next in lines) {
            val inner = next.removeSuffix(",")
            if (inner in setOf("}", "]", ")")) return node
            val (name, rest) = split(next)
            if (name == null) node.items += read(rest) else node.fields[name] = read(rest)
        }
        error("the metadata ends too soon")
    }

    /** `name: rest`, or a rest alone. */
    private fun split(line: String): Pair<String?, String> {
        val named = Regex("""^("[^"]*"|[a-z_0-9]+): (.*)$""").find(line) ?: return null to line
        return named.groupValues[1].trim('"') to named.groupValues[2]
    }

    private fun literal(text: String) = when {
        text.startsWith('"') -> text.removeSurrounding("\"")
        text == "[]" || text == "{}" -> ""
        else -> text
    }
}
