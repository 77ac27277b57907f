import Foundation
import Host
import Testing

/// What looks into the translator and what steers it.
@Suite struct TranslateTests {
  @Test func showsGuestCodeBesideHostCode() throws {
    let run = try Program(["translate", "--at", "0xC0100000", "01c8", "8b450c", "0f31", "75f0"])
    #expect(run.status == 0)
    let lines = run.output.split(separator: "\n").map(String.init)
    func line(_ guest: String) -> String { lines.first { $0.contains(guest) } ?? "none" }
    #expect(lines.first?.hasPrefix("block c0100000: 4 instructions, 9 bytes") == true)
    #expect(line("add eax, ecx").contains("| +"))
    #expect(line("mov eax, dword ptr [ebp+0xc]").contains("mov eax, dword gs:[ebp+0xc]"))
    #expect(line("(budget)").contains("r15"))
    #expect(run.output.contains("[eip], 0xc0100009"))
    #expect(run.output.contains("jmp callout"))
  }

  @Test func familiesCanBeLeftToTheInterpreter() throws {
    let with = try Program(["translate", "01c8"])
    let without = try Program(["translate", "--lower-off", "x87,arithmetic", "01c8"])
    #expect(!with.output.contains("callout") && without.output.contains("callout"))
  }

  @Test func showsWhatLiesInTwoPages() throws {
    let crossing = try Program(["translate", "--at", "fff", "01c8", "0f"])
    #expect(crossing.output.contains("[codeGeneration]"))
    #expect(crossing.output.contains("(truncated)"))
    #expect(crossing.status == 0)
  }

  @Test func filesAreReadAndBounded() throws {
    let scratch = try Scratch()
    let file = try scratch.file("code", [0x90, 0x0F, 0x0B])
    #expect(try Program(["translate", file]).output.contains("ud2"))
    let large = try scratch.file("large", [UInt8](repeating: 0x90, count: 1 << 20 + 1))
    #expect(try Program(["translate", large]).status == 65)
  }

  @Test func tracesShowTranslatedBlocks() throws {
    let run = try Program([
      "run", "--demo", "--engine", "translator", "--cycle-limit", "20000000", "--trace", "blocks",
      "--serial", "none",
    ])
    #expect(run.status == 124)
    #expect(run.error.contains(" interpreter\n"))
    let start = try #require(run.error.range(of: " translated block "))
    #expect(run.error[start.upperBound...].prefix(2000).contains("(budget)"))
  }
}

/// Whole boots on the interpreter and the translator side by side: the first half of one in every run of the
/// tests, both kernels to the shell and to power-off by `make lockstep`.
@Suite(.serialized, .enabled(if: Guests.arePresent, "make guests fetches them"))
struct LockstepBootTests {
  static let isFull = ProcessInfo.processInfo.environment["SWITCHBACK_LOCKSTEP"] == "full"

  @Test(arguments: isFull ? Guests.kernels : ["vmlinuz-686-pae"])
  func translatorAgreesWithTheInterpreter(kernel: String) throws {
    let scratch = try Scratch()
    let script = """
      ls -lR /bin | sha256sum
      head -c 1000000 /dev/zero | gzip -c | gunzip | sha256sum
      for i in 1 2 3 4 5 6 7 8 9 10; do (echo $i | sed s/1/2/); done
      echo '/ # '
      poweroff -f

      """
    let disk = try scratch.file("initrd", try Guests.ramDisk(initScript: Guests.setUp + script))
    let run = try Program(
      [
        "lockstep", "--engines", "interpreter,translator", "--memory", "64M", "--kernel",
        "\(Guests.directory)/\(kernel)", "--initrd", disk, "--append",
        "console=ttyS0 cryptomgr.notests", "--time-limit", "1200",
      ] + (Self.isFull ? [] : ["--cycle-limit", "2600000000"]))
    #expect(run.status == 0, "\(run.output.prefix(3000)) \(run.error)")
    #expect(run.output.contains("equal up to the end"))
    print("\(kernel): \(run.output)")
  }
}

/// Choices that must not change what a guest computes: the same counts and the same state to the last bit.
@Suite(.serialized, .enabled(if: Guests.arePresent, "make guests fetches them"))
struct TranslatorChoiceTests {
  @Test func aTinyCodeCacheAndMissingLoweringsChangeNothing() throws {
    let scratch = try Scratch()
    let script = Guests.setUp + "poweroff -f\n"
    let disk = try scratch.file("initrd", try Guests.ramDisk(initScript: script))
    func result(_ options: [String]) throws -> [String: Any] {
      let path = "\(scratch.path)/\(options.joined()).json"
      let run = try Program(
        [
          "run", "--engine", "translator", "--kernel", Guests.kernel, "--initrd", disk, "--append",
          "console=ttyS0 cryptomgr.notests", "--stats", path, "--time-limit", "300",
        ] + options)
      #expect(run.status == 0, "\(options) \(run.output.suffix(500)) \(run.error)")
      let data = Data(try HostFile.contents(of: path))
      return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }
    let usual = try result([])
    func evictions(_ report: [String: Any]) -> Int {
      (report["translator"] as? [String: Any])?["evictions"] as? Int ?? 0
    }
    for options in [
      ["--code-cache", "128K"],
      ["--lower-off", "arithmetic,shift,control,string,x87,mmx,sse,sse2"],
    ] {
      let other = try result(options)
      for key in ["instructions", "cycles"] {
        #expect(other[key] as? Int == usual[key] as? Int, "\(key) with \(options)")
      }
      #expect(other["state_hash"] as? String == usual["state_hash"] as? String, "\(options)")
      if options[0] == "--code-cache" { #expect(evictions(other) > evictions(usual) + 20) }
    }
  }
}
