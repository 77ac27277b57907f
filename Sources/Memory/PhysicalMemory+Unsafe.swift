import Bus
import Glibc
import Host

/// Told when guest memory that holds decoded code changes.
public protocol CodeObserver: AnyObject {
  /// `length` bytes at `physical` are about to differ from what was decoded; they lie in one page.
  func codeWritten(physical: UInt32, length: UInt32)
}

/// Told when translations that someone may have copied lose their validity.
public protocol TranslationObserver: AnyObject {
  /// CR3 was loaded or the paging mode changed.
  func translationsFlushed(includingGlobal: Bool)
  /// INVLPG.
  func translationFlushed(page linear: UInt32)
  /// Writes to a physical page must be seen from now on.
  func writesRevoked(physicalPage: UInt32)
  /// A page that was marked by `markExecuted` is about to change.
  func executionRevoked(physicalPage: UInt32)
}

extension TranslationObserver {
  public func executionRevoked(physicalPage: UInt32) {}
}

/// Guest-physical address space below 4 GiB: RAM, ROM, memory-mapped devices and holes. What lies above
/// 4 GiB or in a hole reads as ones and ignores writes.
public final class PhysicalMemory {
  /// Bytes of RAM, starting at address 0.
  public let ramSize: UInt32
  /// Guest RAM: a memory file, so that engines can map parts of it a second time.
  private let ramMemory: HostMemory

  private let pages: UnsafeMutablePointer<PhysicalPage>
  private static let pageCount = 1 << 20
  private var roms: [UnsafeMutableRawPointer] = []
  /// ROM by physical page address, to show it again after RAM was mapped over it.
  private var romPages: [UInt32: UnsafeMutablePointer<UInt8>] = [:]

  private struct DeviceRange {
    var range: ClosedRange<UInt32>
    /// Nil where the processor reaches the device's memory directly.
    var device: (any MemoryMappedDevice)?
    /// Told of the first write to a part of directly reached memory: offsets from the range's start.
    var firstWrite: ((Range<Int>) -> Void)?
    var name: String
    var counts = AccessCounts()
  }
  private var devices: [DeviceRange] = []
  /// Accesses to ranges that have been taken away.
  private var formerCounts: [String: AccessCounts] = [:]
  private var lastDevice = 0
  private var observers: [any CodeObserver] = []

  /// Keep copies of translations. They hold the memory, so it does not hold them.
  private struct WeakObserver {
    weak var observer: (any TranslationObserver)?
  }
  private var weakTranslationObservers: [WeakObserver] = []

  /// Bytes in the memory file after RAM, for devices whose memory the processor reaches directly.
  public let deviceMemorySize: Int

  /// Called after the kind of pages has changed, so that cached translations can be dropped.
  public var mapChanged: () -> Void = {}

  /// How long memory-mapped devices took.
  public var deviceTime = AccessTime()

  /// Sees every access by the interpreter when not nil. Set it before anything runs.
  public var cacheModel: CacheModel?

  /// Called for every memory-mapped access when not nil: (isWrite, address, width, value, device name).
  public var trace: ((Bool, UInt32, AccessWidth, UInt32, String) -> Void)?

  /// Allocates zeroed RAM.
  /// - Parameters:
  ///   - ramSize: bytes, a multiple of 4096, at most 3.5 GiB.
  ///   - deviceMemorySize: bytes of memory for devices, a multiple of 64 KiB.
  /// - Throws: when the host has no address space or memory file for it.
  public init(ramSize: UInt32, deviceMemorySize: Int = 0) throws(HostError) {
    self.ramSize = ramSize
    self.deviceMemorySize = deviceMemorySize
    ramMemory = try HostMemory(size: Int(ramSize) + deviceMemorySize, name: "guest-ram")
    // Untouched entries cost nothing: `calloc` hands out the host's zero pages.
    guard let table = calloc(Self.pageCount, MemoryLayout<PhysicalPage>.stride) else {
      throw HostError("allocate the physical page table")
    }
    pages = table.bindMemory(to: PhysicalPage.self, capacity: Self.pageCount)
    for page in stride(from: 0, to: ramSize, by: 4096) { mapRAM(page: page) }
  }

  deinit {
    free(pages)
    for rom in roms { rom.deallocate() }
  }

  /// Host address of guest RAM.
  public var ram: UnsafeMutableRawPointer { ramMemory.baseAddress }
  /// Host address of the devices' memory.
  public var deviceMemory: UnsafeMutableRawPointer { ram + Int(ramSize) }
  /// The memory file behind guest RAM; offsets in it are physical addresses, then comes the devices' memory.
  public var ramDescriptor: Int32 { ramMemory.descriptor }

  // MARK: The map

  /// What is at the page of `physical`.
  @inlinable public func page(_ physical: UInt32) -> PhysicalPage { pageEntry(physical).pointee }

  @usableFromInline func pageEntry(_ physical: UInt32) -> UnsafeMutablePointer<PhysicalPage> {
    pages + Int(physical >> 12)
  }

  /// Puts read-only memory with the given contents at `address` (both page-aligned; the last page is
  /// padded with ones).
  public func mapROM(_ contents: [UInt8], at address: UInt32) {
    let bytes = (contents.count + 4095) & ~4095
    let rom = UnsafeMutableRawPointer.allocate(byteCount: max(bytes, 4096), alignment: 4096)
    rom.initializeMemory(as: UInt8.self, repeating: 0xFF, count: max(bytes, 4096))
    contents.withUnsafeBytes { rom.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    roms.append(rom)
    for offset in stride(from: 0, to: bytes, by: 4096) {
      let page = address &+ UInt32(offset)
      let host = (rom + offset).assumingMemoryBound(to: UInt8.self)
      romPages[page] = host
      setPage(page, PhysicalPage(host: host, flags: UInt32(PAGE_READABLE.rawValue)))
    }
    mapChanged()
  }

  /// Makes a page-aligned range read-only memory: RAM that ignores writes, or the ROM (a hole if there is
  /// none) at its place. 82441FX data sheet, "PAM".
  public func protect(_ range: ClosedRange<UInt32>, showsRAM: Bool) {
    for page in (range.lowerBound >> 12)...(range.upperBound >> 12) {
      let address = page << 12
      let rom = showsRAM ? nil : romPages[address]
      let ram =
        showsRAM && address < ramSize
        ? (self.ram + Int(address)).assumingMemoryBound(to: UInt8.self) : nil
      let host = rom ?? ram
      setPage(
        address,
        PhysicalPage(host: host, flags: host == nil ? 0 : UInt32(PAGE_READABLE.rawValue)))
    }
    mapChanged()
  }

  /// Makes a page-aligned range RAM again.
  public func unprotect(_ range: ClosedRange<UInt32>) {
    for page in (range.lowerBound >> 12)...(range.upperBound >> 12) { mapRAM(page: page << 12) }
    mapChanged()
  }

  /// A byte of the ROM at an address, whatever is mapped there now; ones where there is no ROM.
  public func romByte(_ physical: UInt32) -> UInt8 {
    romPages[physical & ~4095].map { $0[Int(physical & 4095)] } ?? 0xFF
  }

  /// Writes a byte of RAM, whatever is mapped there now.
  public func writeShadowed(_ physical: UInt32, _ value: UInt8) {
    guard physical < ramSize else { return }
    ram.storeBytes(of: value, toByteOffset: Int(physical), as: UInt8.self)
  }

  /// The place in the memory file of a page that can be written there without anybody's help; nil if it
  /// is none.
  public func fileOffset(ofPage physical: UInt32) -> Int? {
    let page = page(physical)
    guard page.flags & UInt32(PAGE_WRITABLE.rawValue) != 0, let host = page.host else { return nil }
    let offset = UnsafeMutableRawPointer(host) - ram
    return (0..<Int(ramSize) + deviceMemorySize).contains(offset) ? offset : nil
  }

  /// Pages whose first write is reported together.
  private static let trackedBytes: UInt32 = 64 << 10

  /// Shows the devices' memory at a range aligned to 64 KiB; `firstWrite` is told of the first write to each
  /// 64 KiB after this or `trackWrites`.
  /// - Throws: `BusError.overlap` if a device has part of it.
  public func attachDeviceMemory(
    range: ClosedRange<UInt32>, name: String, firstWrite: @escaping (Range<Int>) -> Void
  ) throws {
    try add(DeviceRange(range: range, device: nil, firstWrite: firstWrite, name: name))
    for number in (range.lowerBound >> 12)...(range.upperBound >> 12) {
      let offset = Int(number << 12 - range.lowerBound)
      guard offset + 4096 <= deviceMemorySize else { break }
      setPage(
        number << 12,
        PhysicalPage(
          host: (deviceMemory + offset).assumingMemoryBound(to: UInt8.self),
          flags: UInt32(PAGE_READABLE.rawValue | PAGE_WRITABLE.rawValue | PAGE_TRACKED.rawValue)))
    }
    mapChanged()
  }

  /// Reports the next write to each part of directly reached memory again.
  /// - Returns: the pages whose cached write translations the caller must revoke.
  public func trackWrites(at address: UInt32) -> [UInt32] {
    guard let entry = devices.first(where: { $0.range.lowerBound == address }) else { return [] }
    let tracked = UInt32(PAGE_TRACKED.rawValue)
    var result: [UInt32] = []
    for number in (address >> 12)...(entry.range.upperBound >> 12)
    where pageEntry(number << 12).pointee.flags & tracked == 0 {
      pageEntry(number << 12).pointee.flags |= tracked
      result.append(number << 12)
    }
    return result
  }

  /// A write to a tracked page is coming: reports it and lets the others near it pass.
  public func noteFirstWrite(_ physical: UInt32) {
    guard page(physical).flags & UInt32(PAGE_TRACKED.rawValue) != 0,
      let entry = devices.first(where: { $0.range.contains(physical) })
    else { return }
    let start = entry.range.lowerBound
    let offset = (physical - start) & ~(Self.trackedBytes - 1)
    let last = min(offset + (Self.trackedBytes - 1), entry.range.upperBound - start)
    for number in ((start + offset) >> 12)...((start + last) >> 12) {
      pageEntry(number << 12).pointee.flags &= ~UInt32(PAGE_TRACKED.rawValue)
    }
    entry.firstWrite?(Int(offset)..<Int(last) + 1)
  }

  /// Gives a page-aligned range to a device; RAM below it is hidden.
  /// - Throws: `BusError.overlap` if another device has part of it.
  public func attach(
    _ device: any MemoryMappedDevice, range: ClosedRange<UInt32>, name: String
  ) throws {
    try add(DeviceRange(range: range, device: device, name: name))
    for page in (range.lowerBound >> 12)...(range.upperBound >> 12) {
      setPage(page << 12, PhysicalPage(host: nil, flags: UInt32(PAGE_DEVICE.rawValue)))
    }
    mapChanged()
  }

  private func add(_ entry: DeviceRange) throws {
    if let other = devices.first(where: { $0.range.overlaps(entry.range) }) {
      throw BusError.overlap(
        name: entry.name, other: other.name,
        first: max(other.range.lowerBound, entry.range.lowerBound))
    }
    devices.append(entry)
  }

  /// Takes away the device range that starts at `address`; RAM or ROM below it shows again.
  public func detach(at address: UInt32) {
    guard let index = devices.firstIndex(where: { $0.range.lowerBound == address }) else { return }
    let former = devices.remove(at: index)
    formerCounts[former.name, default: AccessCounts()].add(former.counts)
    let range = former.range
    for page in (range.lowerBound >> 12)...(range.upperBound >> 12) { restore(page: page << 12) }
    mapChanged()
  }

  /// Shows what a device hid: RAM, or the ROM above it.
  private func restore(page physical: UInt32) {
    guard physical >= ramSize, let rom = romPages[physical] else { return mapRAM(page: physical) }
    setPage(physical, PhysicalPage(host: rom, flags: UInt32(PAGE_READABLE.rawValue)))
  }

  /// Makes the page show RAM (or nothing, above its end) again.
  public func mapRAM(page physical: UInt32) {
    guard physical < ramSize else { return setPage(physical, PhysicalPage(host: nil, flags: 0)) }
    setPage(
      physical,
      PhysicalPage(
        host: (ram + Int(physical & ~4095)).assumingMemoryBound(to: UInt8.self),
        flags: UInt32(PAGE_READABLE.rawValue | PAGE_WRITABLE.rawValue)))
  }

  private func setPage(_ physical: UInt32, _ page: PhysicalPage) {
    if pageEntry(physical).pointee.flags & UInt32(PAGE_CODE.rawValue) != 0 {
      for observer in observers { observer.codeWritten(physical: physical & ~4095, length: 4096) }
    }
    revokeExecution(page: physical)
    pageEntry(physical).pointee = page
  }

  /// Reads and writes per memory-mapped device.
  public var deviceCounts: [String: AccessCounts] {
    devices.reduce(into: formerCounts) { $0[$1.name, default: AccessCounts()].add($1.counts) }
  }

  // MARK: Code tracking

  /// Adds an observer of writes to pages that hold decoded code.
  public func addCodeObserver(_ observer: any CodeObserver) { observers.append(observer) }

  /// Adds an observer of changed translations, for as long as it lives.
  public func addTranslationObserver(_ observer: any TranslationObserver) {
    weakTranslationObservers.append(WeakObserver(observer: observer))
  }

  func forEachTranslationObserver(_ body: (any TranslationObserver) -> Void) {
    for entry in weakTranslationObservers {
      if let observer = entry.observer { body(observer) }
    }
  }

  /// Marks a page as holding decoded code. The caller revokes cached write translations.
  /// - Returns: whether it was not marked before.
  public func markCode(page physical: UInt32) -> Bool {
    let entry = pageEntry(physical)
    let was = entry.pointee.flags & UInt32(PAGE_CODE.rawValue) != 0
    entry.pointee.flags |= UInt32(PAGE_CODE.rawValue)
    return !was
  }

  /// The last decoded code of a page has gone.
  public func unmarkCode(page physical: UInt32) {
    pageEntry(physical).pointee.flags &= ~UInt32(PAGE_CODE.rawValue)
  }

  /// Marks a page whose contents the host's processor executes. The caller revokes cached write translations.
  /// - Returns: whether it was not marked before.
  public func markExecuted(page physical: UInt32) -> Bool {
    let entry = pageEntry(physical)
    let was = entry.pointee.flags & UInt32(PAGE_EXECUTED.rawValue) != 0
    entry.pointee.flags |= UInt32(PAGE_EXECUTED.rawValue)
    return !was
  }

  /// Makes sure that nobody executes a page, because it is going to be written.
  public func revokeExecution(page physical: UInt32) {
    let entry = pageEntry(physical)
    guard entry.pointee.flags & UInt32(PAGE_EXECUTED.rawValue) != 0 else { return }
    entry.pointee.flags &= ~UInt32(PAGE_EXECUTED.rawValue)
    forEachTranslationObserver { $0.executionRevoked(physicalPage: physical & ~4095) }
  }

  /// Flags of pages whose writes somebody wants to know of.
  public static let reported = UInt32(
    PAGE_CODE.rawValue | PAGE_TRACKED.rawValue | PAGE_EXECUTED.rawValue)

  @inline(never)
  private func reportWrite(_ physical: UInt32, _ length: UInt32) {
    noteFirstWrite(physical)
    revokeExecution(page: physical)
    guard page(physical).flags & UInt32(PAGE_CODE.rawValue) != 0 else { return }
    for observer in observers { observer.codeWritten(physical: physical, length: length) }
  }

  // MARK: Accesses by the CPU's slow paths, page walks and devices

  /// Reads `size` bytes (1, 2, 4 or 8) that lie in one page, little-endian, zero-extended.
  public func read(physical: UInt64, size: Int) -> UInt64 {
    let ones = size == 8 ? UInt64.max : (1 << UInt64(size &* 8)) &- 1
    guard physical < 1 << 32 else { return ones }
    let address = UInt32(truncatingIfNeeded: physical)
    let page = page(address)
    if page.flags & UInt32(PAGE_READABLE.rawValue) != 0, let host = page.host {
      let p = UnsafeRawPointer(host + Int(address & 0xFFF))
      switch size {
      case 1: return UInt64(p.loadUnaligned(as: UInt8.self))
      case 2: return UInt64(p.loadUnaligned(as: UInt16.self))
      case 4: return UInt64(p.loadUnaligned(as: UInt32.self))
      default: return p.loadUnaligned(as: UInt64.self)
      }
    }
    guard page.flags & UInt32(PAGE_DEVICE.rawValue) != 0 else { return ones }
    if size == 8 {
      return read(physical: physical, size: 4) | read(physical: physical &+ 4, size: 4) << 32
    }
    return UInt64(deviceRead(address, AccessWidth(rawValue: size) ?? .byte))
  }

  /// Writes the low `size` bytes (1, 2, 4 or 8) of `value`; they lie in one page.
  public func write(physical: UInt64, size: Int, _ value: UInt64) {
    guard physical < 1 << 32 else { return }
    let address = UInt32(truncatingIfNeeded: physical)
    let page = page(address)
    if page.flags & UInt32(PAGE_WRITABLE.rawValue) != 0, let host = page.host {
      if page.flags & Self.reported != 0 {
        reportWrite(address, UInt32(truncatingIfNeeded: size))
      }
      let p = UnsafeMutableRawPointer(host + Int(address & 0xFFF))
      switch size {
      case 1: p.storeBytes(of: UInt8(truncatingIfNeeded: value), as: UInt8.self)
      case 2: p.storeBytes(of: UInt16(truncatingIfNeeded: value), as: UInt16.self)
      case 4: p.storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
      default: p.storeBytes(of: value, as: UInt64.self)
      }
      return
    }
    guard page.flags & UInt32(PAGE_DEVICE.rawValue) != 0 else { return }
    if page.flags & Self.reported != 0 {
      reportWrite(address, UInt32(truncatingIfNeeded: size))
    }
    if size == 8 {
      write(physical: physical, size: 4, value & 0xFFFF_FFFF)
      write(physical: physical &+ 4, size: 4, value >> 32)
      return
    }
    deviceWrite(
      address, AccessWidth(rawValue: size) ?? .byte, UInt32(truncatingIfNeeded: value))
  }

  /// The device at an address, most often the one that was accessed last.
  private func deviceIndex(_ address: UInt32) -> Int? {
    if lastDevice < devices.count, devices[lastDevice].range.contains(address) { return lastDevice }
    guard let index = devices.firstIndex(where: { $0.range.contains(address) }) else { return nil }
    lastDevice = index
    return index
  }

  private func deviceRead(_ address: UInt32, _ width: AccessWidth) -> UInt32 {
    guard let index = deviceIndex(address) else { return width.mask }
    devices[index].counts.reads &+= 1
    let offset = address - devices[index].range.lowerBound
    guard let device = devices[index].device else { return width.mask }
    let name = trace == nil ? "" : devices[index].name
    let begin = deviceTime.begin()
    let value = device.readMemory(offset: offset, width: width) & width.mask
    deviceTime.end(begin)
    trace?(false, address, width, value, name)
    return value
  }

  private func deviceWrite(_ address: UInt32, _ width: AccessWidth, _ value: UInt32) {
    guard let index = deviceIndex(address) else { return }
    devices[index].counts.writes &+= 1
    let offset = address - devices[index].range.lowerBound
    trace?(true, address, width, value & width.mask, devices[index].name)
    // The device may move devices, so nothing of the table is held during the call.
    let device = devices[index].device
    let begin = deviceTime.begin()
    device?.writeMemory(offset: offset, width: width, value: value & width.mask)
    deviceTime.end(begin)
  }

  /// Whether the page is a device's, so that accesses have side effects and need the exact time.
  func isDevice(_ physical: UInt64) -> Bool {
    physical < 1 << 32
      && page(UInt32(truncatingIfNeeded: physical)).flags & UInt32(PAGE_DEVICE.rawValue) != 0
  }

  func read32(physical: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: read(physical: physical, size: 4))
  }
  func read64(physical: UInt64) -> UInt64 { read(physical: physical, size: 8) }
  func write32(physical: UInt64, _ value: UInt32) {
    write(physical: physical, size: 4, UInt64(value))
  }
  func write64(physical: UInt64, _ value: UInt64) { write(physical: physical, size: 8, value) }

  /// Copies bytes out of physical memory; holes and devices read as ones.
  public func readBytes(at physical: UInt32, count: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(count)
    readBytes(at: physical, count: count, into: &result)
    return result
  }

  /// Appends bytes of physical memory; holes and devices read as ones.
  public func readBytes(at physical: UInt32, count: Int, into result: inout [UInt8]) {
    let end = result.count + count
    var address = UInt64(physical)
    while result.count < end {
      let n = min(end - result.count, 4096 - Int(address & 0xFFF))
      let page = address < 1 << 32 ? page(UInt32(address)) : PhysicalPage(host: nil, flags: 0)
      if page.flags & UInt32(PAGE_READABLE.rawValue) != 0, let host = page.host {
        result.append(contentsOf: UnsafeBufferPointer(start: host + Int(address & 0xFFF), count: n))
      } else {
        result.append(contentsOf: repeatElement(0xFF, count: n))
      }
      address += UInt64(n)
    }
  }

  /// Reads `count` code bytes of a page that is not plain memory, byte by byte.
  public func readCode(_ physical: UInt32, _ count: Int) -> [UInt8] {
    (0..<UInt32(count)).map {
      UInt8(truncatingIfNeeded: read(physical: UInt64(physical &+ $0), size: 1))
    }
  }

  /// Copies bytes into physical memory (loaders, DMA); ROM, holes and devices are skipped.
  public func writeBytes(_ bytes: [UInt8], at physical: UInt32) {
    writeBytes(bytes, range: bytes.indices, at: physical)
  }

  /// Copies a part of `bytes` into physical memory.
  public func writeBytes(_ bytes: [UInt8], range: Range<Int>, at physical: UInt32) {
    bytes.withUnsafeBytes { all in
      let source = UnsafeRawBufferPointer(rebasing: all[range])
      var done = 0
      while done < source.count {
        let address = UInt64(physical) + UInt64(done)
        guard address < 1 << 32 else { return }
        let n = min(source.count - done, 4096 - Int(address & 0xFFF))
        let page = page(UInt32(address))
        if page.flags & UInt32(PAGE_WRITABLE.rawValue) != 0, let host = page.host {
          if page.flags & Self.reported != 0 {
            reportWrite(UInt32(address), UInt32(n))
          }
          UnsafeMutableRawPointer(host + Int(address & 0xFFF))
            .copyMemory(from: source.baseAddress! + done, byteCount: n)
        }
        done += n
      }
    }
  }
}

extension PhysicalMemory: BusMasterMemory {}
