// swift-tools-version: 6.1
import PackageDescription

/// Run-time exclusivity checks cost about 10 % in the interpreter's inner loop, frame pointers in its
/// short functions as much again; debug builds keep them.
let engineSettings: [SwiftSetting] = [
  .unsafeFlags(
    ["-enforce-exclusivity=unchecked", "-Xcc", "-fomit-frame-pointer"],
    .when(configuration: .release))
]

let package = Package(
  name: "switchback",
  products: [.executable(name: "switchback", targets: ["switchback"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
  ],
  targets: [
    .target(
      name: "CHost",
      cSettings: [.unsafeFlags(["-O2", "-mno-avx", "-msse2"])]),
    .target(name: "Statistics", swiftSettings: engineSettings),
    .target(name: "Host", dependencies: ["CHost"], swiftSettings: engineSettings),
    .target(name: "ISA", dependencies: ["CHost"], swiftSettings: engineSettings),
    .target(name: "Bus", dependencies: ["CHost"], swiftSettings: engineSettings),
    .target(name: "Memory", dependencies: ["CHost", "Host", "Bus"], swiftSettings: engineSettings),
    .target(
      name: "CPU", dependencies: ["CHost", "ISA", "Bus", "Memory"], swiftSettings: engineSettings),
    .target(
      name: "Interpreter", dependencies: ["CHost", "ISA", "Bus", "Memory", "CPU"],
      swiftSettings: engineSettings),
    .target(
      name: "Translator",
      dependencies: ["CHost", "Host", "ISA", "Bus", "Memory", "CPU", "Interpreter"],
      swiftSettings: engineSettings),
    .target(
      name: "DirectExecution",
      dependencies: ["CHost", "Host", "Memory", "ISA", "CPU"], swiftSettings: engineSettings),
    .target(
      name: "Switching",
      dependencies: [
        "CHost", "Host", "Memory", "CPU", "Interpreter", "Translator", "DirectExecution",
      ],
      swiftSettings: engineSettings),
    .target(
      name: "Devices",
      dependencies: ["CHost", "Bus", .product(name: "Logging", package: "swift-log")],
      swiftSettings: engineSettings),
    .target(
      name: "Machine",
      dependencies: [
        "CHost", "Host", "ISA", "Bus", "Memory", "CPU", "Interpreter", "Translator",
        "DirectExecution", "Switching", "Devices", "Statistics",
        "Roms", "GuestPrograms",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: engineSettings),
    .target(
      name: "CSDL2", cSettings: [.unsafeFlags(["-O2"])],
      linkerSettings: [.linkedLibrary("dl")]),
    .target(
      name: "Frontend", dependencies: ["CSDL2", "Host", "Devices", "Machine"],
      swiftSettings: engineSettings),
    .executableTarget(
      name: "switchback",
      dependencies: [
        "Machine", "Statistics", "ISA", "Memory", "Translator", "Frontend",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: engineSettings),
    .plugin(name: "GuestCode", capability: .buildTool(), path: "roms/plugin"),
    .target(
      name: "Roms", path: "roms/demo", sources: ["ROM.swift", "Base64.swift"],
      plugins: ["GuestCode"]),
    .target(
      name: "GuestPrograms", dependencies: ["Roms"], path: "roms/linux",
      sources: ["Programs.swift"], plugins: ["GuestCode"]),
    .target(
      name: "SystemROMs", dependencies: ["Roms"], path: "roms/tests",
      sources: ["SystemTests.swift"], plugins: ["GuestCode"]),
    .target(
      name: "FirmwareROMs", dependencies: ["Roms"], path: "roms/firmware",
      exclude: ["services"], sources: ["Services.swift"], plugins: ["GuestCode"]),
    // Test support, not part of the product.
    .target(
      name: "CZydis", linkerSettings: [.linkedLibrary("Zydis"), .linkedLibrary("Zycore")]),
    .target(
      name: "CHostOracle",
      cSettings: [.define("_GNU_SOURCE"), .unsafeFlags(["-O2", "-fno-stack-protector"])]),
    .target(
      name: "HostOracle",
      dependencies: [
        "CHostOracle", "CHost", "ISA", "Bus", "Memory", "CPU", "Interpreter", "Translator",
      ],
      swiftSettings: engineSettings),
    .testTarget(name: "MemoryTests", dependencies: ["Memory", "Bus"]),
    .testTarget(name: "BusTests", dependencies: ["Bus"]),
    .testTarget(
      name: "FloatingPointTests",
      dependencies: ["CHost", "ISA", "Bus", "Memory", "CPU", "Interpreter"]),
    .testTarget(name: "CPUTests", dependencies: ["Bus", "Memory", "CPU", "Interpreter"]),
    .testTarget(
      name: "SwitchingTests", dependencies: ["CHost", "Bus", "Memory", "CPU", "Host", "Switching"]),
    .testTarget(
      name: "DirectExecutionTests",
      dependencies: ["CHost", "Bus", "Memory", "CPU", "Host", "Machine", "DirectExecution"]),
    .testTarget(
      name: "FrontendTests",
      dependencies: ["Frontend", "switchback", "Host", "Machine", "Roms", "SystemROMs"]),
    .testTarget(
      name: "CommandLineTests",
      dependencies: ["switchback", "Host", "Machine", "Roms", "Statistics", "SystemROMs"]),
    .testTarget(name: "HostTests", dependencies: ["Host"]),
    .testTarget(
      name: "MachineTests",
      dependencies: ["Machine", "Host", "ISA", "Translator", "Roms", "FirmwareROMs"]),
    .testTarget(
      name: "OracleTests", dependencies: ["HostOracle", "ISA", "Translator"],
      resources: [.copy("cases.txt")]),
    .testTarget(name: "ROMTests", dependencies: ["Machine", "Roms", "Statistics", "SystemROMs"]),
    .testTarget(name: "DevicesTests", dependencies: ["Bus", "Devices"]),
    .testTarget(
      name: "InterpreterTests", dependencies: ["Interpreter", "CPU", "Memory", "ISA", "Bus"]),
    .testTarget(name: "ISATests", dependencies: ["CZydis", "ISA"]),
    .testTarget(name: "StatisticsTests", dependencies: ["Statistics"]),
    .testTarget(
      name: "TranslatorTests",
      dependencies: ["CHost", "ISA", "Bus", "Memory", "CPU", "Interpreter", "Translator"],
      exclude: ["Goldens"]),
  ],
  swiftLanguageModes: [.v6]
)
