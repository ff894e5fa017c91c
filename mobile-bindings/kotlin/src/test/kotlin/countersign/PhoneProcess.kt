package countersign

import kotlinx.coroutines.runBlocking
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.Event
import uniffi.countersign_mobile.Found
import uniffi.countersign_mobile.LinkState
import uniffi.countersign_mobile.PairingUi
import uniffi.countersign_mobile.SeedImport
import uniffi.countersign_mobile.findPhone
import java.nio.file.Path

/** A phone in a process of its own, so that it can be killed. Takes lines, prints what happens. */
fun main(arguments: Array<String>) = runBlocking {
    val folder = Path.of(arguments.single())
    val (storage, keychain) = FileStorage(folder) to FileKeychain(folder)
    val observer = object : uniffi.countersign_mobile.Observer {
        override fun onEvent(event: Event) = when (event) {
            is Event.RequestArrived -> println("request ${event.request.id}")
            is Event.ConnectionChanged -> println(if (event.connection.state is LinkState.Connected) "connected" else "not connected")
            else -> {}
        }
    }
    val phone = if (findPhone(storage, keychain) == Found.NoPhone) {
        Authenticator.create("pixel", storage, keychain, observer)
    } else {
        Authenticator.open(storage, keychain, observer)
    }
    phone.connect()
    println("open")
    val ui = object : PairingUi {
        override fun showDigits(name: String, digits: String) = println("digits $digits")
    }
    for (line in generateSequence(::readlnOrNull)) {
        val words = line.split(' ')
        when (words[0]) {
            "pair" -> phone.pair(words[1], ui)
            "enroll" -> phone.approve(phone.pending().single().id, words[1], null, true, SeedImport.fromText(URI))
            "approve" -> phone.approve(phone.pending().single().id, words[1], null, false, null)
            else -> error("no such command")
        }
        println("done ${words[0]}")
    }
}

/** Starts it. */
fun phoneProcess(folder: Path): Running {
    val java = Path.of(System.getProperty("java.home"), "bin", "java").toString()
    val classes = System.getProperty("surefire.test.class.path") ?: System.getProperty("java.class.path")
    return Running(ProcessBuilder(java, "-Xmx64m", "-cp", classes, "countersign.PhoneProcessKt", folder.toString()))
}
