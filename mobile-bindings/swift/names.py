"""Whether the Swift sample uses only names that the generated Swift has: types, members, enum cases, argument labels, and what a protocol wants.
And whether everything that is exported is documented in the generated Swift.

names.py GENERATED.swift SAMPLE.swift...              says what is wrong
names.py --self-test GENERATED.swift SAMPLE.swift...  misspells every name and label in turn, takes all comments away, and fails if that goes unnoticed
names.py --package Package.swift                      only whether it can be parsed
"""

import re
import sys
from pathlib import Path

import tree_sitter
import tree_sitter_swift

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
TOKEN = re.compile(r"[A-Za-z_]\w*|\$\d|[^\w\s]")
# What the sample uses of Swift and Apple's frameworks. A name that is generated, too, may not stand here.
FOREIGN_TYPES = set(
    """Any AsyncStream Bool CFDictionary CFString CFTypeRef CocoaError Continuation Data Darwin DispatchQueue Error FileHandle FileManager LAContext LAError
    NSError Never OSStatus POSIXError POSIXErrorCode Result SecAccessControlCreateFlags SecAccessControlCreateWithFlags SecCopyErrorMessageString SecItemAdd
    SecItemCopyMatching SecItemDelete Sendable String Task URL URLResourceValues Void""".split()
)
FOREIGN_MEMBERS = set(
    """EIO allSatisfy appendingPathComponent applicationSupportDirectory async biometryCurrentSet biometryLockout canEvaluatePolicy cancel close Code
    completeFileProtectionUntilFirstUserAuthentication contains contentsOfDirectory Continuation createDirectory default
    deviceOwnerAuthenticationWithBiometrics fileDescriptor fileReadNoSuchFile filter global hasSuffix invalidate isExcludedFromBackup localizedDescription
    localizedReason makeStream map merge path rawValue removeValue resume setResourceValues url userDomainMask userInitiated userPresence write yield""".split()
)
# What an app implements.
IMPLEMENTED = ["Keychain", "Observer", "PairingUi", "Storage"]
CONSTANT = re.compile(r"F_|O_|kSec|errSec")


class Names:
    """Types, and their members with the labels of each form that they have."""

    def __init__(self):
        self.types, self.members, self.protocols = {}, {}, {}

    def add(self, kind, name, labels):
        self.types.setdefault(kind, {}).setdefault(name, set()).add(labels)
        self.members.setdefault(name, set()).add(labels)


def text(node):
    return node.text.decode()


def parse(source, what):
    tree = PARSER.parse(source.encode())
    if tree.root_node.has_error:
        raise SystemExit(f"{what} is not Swift that can be read, near: {text(first_error(tree.root_node))[:80]!r}")
    return tree.root_node


def first_error(node):
    return next((first_error(it) for it in node.children if it.has_error or it.is_missing), node)


def labels_of(node):
    """The labels of a function's parameters, or of what an enum case holds."""
    labels = []
    for parameter in (it for it in node.children if it.type == "parameter"):
        words = [text(it) for it in parameter.children if it.type == "simple_identifier"]
        labels.append(words[0])
    for held in (it for it in node.children if it.type == "enum_type_parameters"):
        labels += [text(it) for it in held.children if it.type == "simple_identifier"]
    return tuple(labels)


def hidden(node):
    """What a generated file keeps to itself."""
    modifiers = [text(it) for it in node.children if it.type == "modifiers"]
    name = node.child_by_field_name("name")
    return any("fileprivate" in it for it in modifiers) or name is not None and text(name).lower().startswith(("uniffi", "fficonverter"))


def declared(root):
    """What is declared at the top and in the bodies of types; what is inside functions is nobody's business."""
    names = Names()
    for kind in root.children:
        called = kind.child_by_field_name("name")
        if kind.type not in ("class_declaration", "protocol_declaration") or called.type != "type_identifier" or hidden(kind):
            continue
        name = text(called)
        names.types.setdefault(name, {})
        for member in kind.child_by_field_name("body").named_children:
            if hidden(member):
                continue
            if member.type in ("function_declaration", "protocol_function_declaration"):
                called = text(member.child_by_field_name("name")).strip("`")
                names.add(name, called, labels_of(member))
                if kind.type == "protocol_declaration":
                    names.protocols.setdefault(name, set()).add(signature(member))
            elif member.type == "enum_entry":
                for entry in member.children_by_field_name("name"):
                    names.add(name, text(entry), labels_of(member))
            elif member.type == "property_declaration":
                for bound in member.children_by_field_name("name"):
                    names.add(name, text(bound), None)
            elif member.type == "init_declaration":
                names.add(name, "init", labels_of(member))
    return names


def undocumented(root):
    """What is exported, and has no comment above it."""
    kinds = {"function_declaration", "protocol_function_declaration", "property_declaration", "enum_entry"}
    for kind in root.children:
        called = kind.child_by_field_name("name")
        if kind.type not in ("class_declaration", "protocol_declaration") or called.type != "type_identifier" or hidden(kind):
            continue
        if text(kind).startswith("private "):
            continue
        yield from ([] if is_documented(kind) else [text(called)])
        for member in kind.child_by_field_name("body").named_children:
            told = text(member).split("\n")[-1 if member.type == "enum_entry" else 0].rstrip(" {")
            # What every error of Swift has is uniffi's own.
            if member.type in kinds and not hidden(member) and not is_documented(member) and "errorDescription" not in told:
                yield f"{text(called)}: {told}"


def is_documented(node):
    before = node.prev_sibling
    return before is not None and "comment" in before.type and text(before).startswith("/**")


def signature(function):
    """A function without its body, its modifiers and white space."""
    kept = [text(it) for it in function.children if it.type not in ("function_body", "modifiers") and "comment" not in it.type]
    return re.sub(r"\s+", "", "".join(kept))


def unimplemented(root, ours):
    for kind in root.children:
        supers = [text(it).strip() for it in kind.children if it.type == "inheritance_specifier"]
        if kind.type != "class_declaration" or not set(supers) & set(ours.protocols):
            continue
        has = {signature(it) for it in kind.child_by_field_name("body").named_children if it.type == "function_declaration"}
        for protocol in set(supers) & set(ours.protocols):
            for wanted in ours.protocols[protocol] - has:
                yield f"{text(kind.child_by_field_name('name'))} lacks {wanted} of {protocol}"


def blanked(source):
    """The source without comments and texts, at the same places."""
    blank = lambda found: re.sub(r"[^\n]", " ", found[0])
    return re.sub(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', blank, source, flags=re.DOTALL)


def arguments(tokens, start):
    """The tokens of each argument after the parenthesis at `start`."""
    depth, found, current = 0, [], []
    for token in tokens[start:]:
        depth += token[0] in "([{"
        depth -= token[0] in ")]}"
        if depth == 0:
            return found + [current] if current else found
        if token[0] == "," and depth == 1:
            found, current = found + [current], []
        elif (token[0], depth) != ("(", 1) or current:
            current.append(token)
    return found


def uses(source):
    """Every type and member that is used: its token, the token before the dot, and the arguments if it is called."""
    tokens = [(found[0], found.start()) for found in TOKEN.finditer(blanked(source))]
    for at, (word, _) in enumerate(tokens):
        before = tokens[at - 1][0] if at else ""
        if not word[0].isalpha() or word in ("self", "let", "var") or before in ("import", "func", "class", "struct", "enum", "protocol"):
            continue
        called = arguments(tokens, at + 1) if tokens[at + 1 : at + 2] and tokens[at + 1][0] == "(" else None
        if before == ".":
            yield tokens[at], tokens[at - 2][0], called
        elif word[0].isupper():
            yield tokens[at], None, called


def fits(called, forms):
    """Whether a call has the labels of one of the forms; a pattern may leave them all away."""
    if called is None:
        return True
    labels = tuple(it[0][0] if len(it) > 1 and it[1][0] == ":" else "_" for it in called)
    pattern = any(it[0][0] in ("let", "var", "_") for it in called)
    return any(form is not None and (labels == form or pattern and set(labels) == {"_"} and len(labels) == len(form)) for form in forms)


def problems(sources, ours):
    roots = [parse(source, "the sample") for source in sources]
    own = Names()
    for root in roots:
        found = declared(root)
        for kind, members in found.types.items():
            own.types.setdefault(kind, {}).update(members)
        for name, forms in found.members.items():
            own.members.setdefault(name, set()).update(forms)
        yield from unimplemented(root, ours)
    for source in sources:
        for (word, _), base, called in uses(source):
            kind = ours.types.get(base, own.types.get(base))
            if base is None or (base == "CountersignMobile"):
                if word in ours.types:
                    if not fits(called, ours.types[word].get("init", ())):
                        yield f"{word} is not made from {labels_text(called)}"
                elif word not in own.types and word not in FOREIGN_TYPES and word != "CountersignMobile" and not CONSTANT.match(word):
                    yield f"there is no type {word}"
            elif base == "Darwin":
                pass
            elif kind is not None:
                if not fits(called, kind.get(word, ())) or word not in kind:
                    yield f"{base} has no {word}{labels_text(called)}"
            elif word in ours.members or word in own.members:
                if not fits(called, ours.members.get(word, set()) | own.members.get(word, set())):
                    yield f"nothing has {word}{labels_text(called)}"
            elif word not in FOREIGN_MEMBERS:
                yield f"nothing has a member {word}"


def labels_text(called):
    return "" if called is None else "(" + " ".join(" ".join(token for token, _ in it) + "," for it in called) + ")"


def misspellings(source, ours):
    """Each name and each label of ours in turn, one letter longer."""
    places = set()
    for (word, at), base, called in uses(source):
        if word in ours.types or (word in ours.members and base != "Darwin"):
            places.add(at + len(word))
            if called and word in ours.members:
                places |= {it[0][1] + len(it[0][0]) for it in called if len(it) > 1 and it[1][0] == ":"}
    wanted = set().union(*[ours.types[it] for it in IMPLEMENTED])
    for found in re.finditer(r"func (\w+)\((\w+)", blanked(source)):
        if found[1] in wanted:
            places |= {found.end(1), found.end(2)}
    for place in sorted(places):
        yield source[:place] + "X" + source[place:]


def main(arguments):
    if arguments[:1] == ["--package"]:
        parse(Path(arguments[1]).read_text(), arguments[1])
        return
    testing = arguments[:1] == ["--self-test"]
    generated, *samples = [Path(it) for it in arguments[testing:]]
    # Two things that the grammar does not know.
    readable = re.sub(r"@_documentation\(.*?\)", "", generated.read_text()).replace("{ () }", "{ }")
    root = parse(readable, generated)
    ours = declared(root)
    both = (FOREIGN_TYPES & set(ours.types)) | (FOREIGN_MEMBERS & set(ours.members))
    if both:
        raise SystemExit(f"names.py calls these foreign, and they are generated: {both}")
    sources = [it.read_text() for it in samples]
    wrong = [*problems(sources, ours), *(f"no documentation of {it}" for it in undocumented(root))]
    if wrong:
        raise SystemExit("\n".join(wrong))
    if not testing:
        print(f"{sum(len(list(uses(it))) for it in sources)} uses of names in the sample are right")
        return
    tried = 0
    for number, source in enumerate(sources):
        for misspelt in misspellings(source, ours):
            tried += 1
            if not any(problems([*sources[:number], misspelt, *sources[number + 1 :]], ours)):
                line = next(new for old, new in zip(source.splitlines(), misspelt.splitlines(), strict=True) if old != new)
                raise SystemExit(f"not noticed: {line.strip()}")
    assert tried > 100, tried
    bare = len(list(undocumented(parse(re.sub(r"/\*\*.*?\*/", "", readable, flags=re.DOTALL), generated))))
    assert bare > 150, bare
    print(f"{tried} misspellings were noticed, and {bare} items without documentation")


if __name__ == "__main__":
    main(sys.argv[1:])
