import CPU
import Glibc
import ISA
import Memory

/// A run of decoded instructions that starts at one physical address in one code size. It ends at a control
/// transfer or a change of mode, at the end of its page, or when it is full. An instruction that crosses
/// into another page is a block of its own.
package struct Block {
  package var physical: UInt32
  /// Physical page of the bytes beyond the first page; `noPage` when there are none.
  package var secondPage: UInt32
  package var codeSize: UInt32
  /// In bytes.
  package var length: UInt32
  package var instructionCount: UInt32
  /// Of all its instructions.
  package var cycles: UInt32
  /// Of all but the last: a deadline not before this cannot fall inside the block.
  var cyclesBeforeLast: UInt32
  /// Two blocks that ran after this one, to find them again without a look-up: linear address and block.
  /// They count only while the key is that of the processor.
  var successorKey: UInt64 = 0
  var firstSuccessor = Successor()
  var secondSuccessor = Successor()
  /// The next block of the same slot of the table.
  var nextInSlot: BlockPointer?
  /// Other blocks with code in the first and second page.
  var nextInPage: BlockPointer?
  var nextInSecondPage: BlockPointer?
  /// How often the block was entered since it was decoded; the translator's own.
  package var entries: UInt32 = 0
  /// Number of its translation plus one; 0 = none.
  package var translation: UInt32 = 0

  package static let noPage: UInt32 = 1
  /// Bytes from a block to its instructions.
  @inline(__always) static var headerSize: Int { (MemoryLayout<Block>.stride + 63) & ~63 }
  package static let maximumInstructions = 64
}

package typealias BlockPointer = UnsafeMutablePointer<Block>

/// Where a block went.
struct Successor {
  var linear: UInt32 = 0
  var block: BlockPointer?
}

extension BlockPointer {
  /// The instructions, followed by a terminating micro-op.
  @inline(__always) package var ops: Op {
    Op((UnsafeRawPointer(self) + Block.headerSize).assumingMemoryBound(to: MicroOp.self))
  }

  /// The block at `linear` if it is known to follow this one.
  @inline(__always)
  func successor(at linear: UInt32, key: UInt64) -> BlockPointer? {
    guard pointee.successorKey == key else { return nil }
    if pointee.firstSuccessor.linear == linear { return pointee.firstSuccessor.block }
    if pointee.secondSuccessor.linear == linear { return pointee.secondSuccessor.block }
    return nil
  }

  /// Remembers what follows this block.
  func addSuccessor(_ block: BlockPointer, at linear: UInt32, key: UInt64) {
    if pointee.successorKey != key {
      pointee.successorKey = key
      pointee.firstSuccessor = Successor(linear: linear, block: block)
    }
    pointee.secondSuccessor = Successor(linear: linear, block: block)
  }
}

/// Memory for blocks and their micro-ops, handed out from the front and given back all at once.
struct BlockArena: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let capacity: Int
  private var used = 0

  init(capacity: Int) {
    self.capacity = capacity
    base = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
  }

  deinit { base.deallocate() }

  /// Whether a block of the largest size still fits.
  var hasRoom: Bool {
    let ops = (Block.maximumInstructions + 1) * MemoryLayout<MicroOp>.stride
    return capacity - used >= ops + Block.headerSize
  }

  mutating func reset() { used = 0 }

  /// Copies the micro-ops and their header in.
  mutating func store(_ ops: [MicroOp], _ header: Block) -> BlockPointer {
    let block = (base + used).bindMemory(to: Block.self, capacity: 1)
    used += Block.headerSize
    let first = (base + used).bindMemory(to: MicroOp.self, capacity: ops.count)
    ops.withUnsafeBufferPointer { first.initialize(from: $0.baseAddress!, count: $0.count) }
    used += ops.count * MemoryLayout<MicroOp>.stride
    block.initialize(to: header)
    return block
  }
}

/// What is known of a physical page that holds decoded code.
private struct CodePage {
  var blocks: BlockPointer?
  /// Bit n: some block has bytes in [n*64, n*64+64).
  var occupied: UInt64
  /// Writes reported since the page was marked.
  var writes: UInt32
  /// In `markedPages`.
  var isListed: Bool
}

/// Decoded blocks, found by physical address and code size and dropped when their bytes change.
package final class BlockCache: CodeObserver {
  private let cpu: CPU
  private var arena: BlockArena
  private static let slots = 1 << 17
  private let table: UnsafeMutablePointer<BlockPointer?>
  private let pages: UnsafeMutablePointer<CodePage>
  private static let pageCount = 1 << 20
  private var markedPages: [UInt32] = []
  /// As many reported writes cost as much as decoding a page's code again: it has become data, or
  /// holds both.
  private static let writesUntilDropped: UInt32 = 64

  /// Blocks built, blocks dropped because their bytes changed, and times the whole cache was emptied.
  private(set) var built: UInt64 = 0
  private(set) var invalidated: UInt64 = 0
  private(set) var flushes: UInt64 = 0

  /// Told before a translated block becomes unreachable, and before all do.
  package var blockDropped: (BlockPointer) -> Void = { _ in }
  package var allDropped: () -> Void = {}

  /// - Parameter capacity: bytes for micro-ops.
  init(cpu: CPU, capacity: Int) {
    self.cpu = cpu
    arena = BlockArena(capacity: capacity)
    table = .allocate(capacity: Self.slots)
    table.initialize(repeating: nil, count: Self.slots)
    // Zero pages are not touched until code appears in them.
    pages = calloc(Self.pageCount, MemoryLayout<CodePage>.stride)!
      .bindMemory(to: CodePage.self, capacity: Self.pageCount)
  }

  deinit {
    table.deallocate()
    free(pages)
  }

  @inline(__always)
  private static func slot(_ physical: UInt32) -> Int {
    Int((physical ^ (physical >> 15)) & UInt32(slots - 1))
  }

  /// The block at `physical`, if it has been decoded.
  @inline(__always)
  package func find(_ physical: UInt32, codeSize: UInt32) -> BlockPointer? {
    var next = table[Self.slot(physical)]
    while let block = next {
      if block.pointee.physical == physical, block.pointee.codeSize == codeSize { return block }
      next = block.pointee.nextInSlot
    }
    return nil
  }

  /// Adds a block. `ops` must end with the terminating micro-op.
  func add(
    _ ops: [MicroOp], physical: UInt32, secondPage: UInt32, codeSize: UInt32
  ) -> BlockPointer {
    if !arena.hasRoom { flush() }
    let last = ops[ops.count - 1]
    let beforeLast = ops[max(ops.count - 2, 0)].cyclesBefore
    let block = arena.store(
      ops,
      Block(
        physical: physical, secondPage: secondPage, codeSize: codeSize,
        length: UInt32(last.startOffset), instructionCount: UInt32(last.index),
        cycles: last.cyclesBefore, cyclesBeforeLast: beforeLast))
    block.pointee.nextInSlot = table[Self.slot(physical)]
    table[Self.slot(physical)] = block
    built += 1
    let page = physical & ~0xFFF
    mark(page)
    block.pointee.nextInPage = pages[Int(page >> 12)].blocks
    pages[Int(page >> 12)].blocks = block
    pages[Int(page >> 12)].occupied |= Self.bits(of: block, in: page)
    if secondPage != Block.noPage {
      mark(secondPage)
      if secondPage != page {
        block.pointee.nextInSecondPage = pages[Int(secondPage >> 12)].blocks
        pages[Int(secondPage >> 12)].blocks = block
      }
      pages[Int(secondPage >> 12)].occupied |= Self.bits(of: block, in: secondPage)
    }
    return block
  }

  private func mark(_ page: UInt32) {
    guard cpu.memory.markCode(page: page) else { return }
    cpu.revokeWrites(toPhysicalPage: page)
    let index = Int(page >> 12)
    pages[index].writes = 0
    if !pages[index].isListed { markedPages.append(page) }
    pages[index].isListed = true
  }

  /// Drops everything.
  func flush() {
    flushes += 1
    allDropped()
    cpu.pointee.codeGeneration &+= 1
    table.update(repeating: nil, count: Self.slots)
    for page in markedPages {
      pages[Int(page >> 12)] = CodePage(blocks: nil, occupied: 0, writes: 0, isListed: false)
      cpu.memory.unmarkCode(page: page)
    }
    markedPages.removeAll(keepingCapacity: true)
    arena.reset()
  }

  /// The 64-byte chunks of `page` in which the block has bytes.
  private static func bits(of block: BlockPointer, in page: UInt32) -> UInt64 {
    var bits: UInt64 = 0
    forEachRange(block) { start, end in
      guard start & ~0xFFF == page else { return }
      for chunk in ((start & 0xFFF) >> 6)...(((end &- 1) & 0xFFF) >> 6) {
        bits |= 1 << UInt64(chunk)
      }
    }
    return bits
  }

  /// The physical byte ranges [start, end) of a block, one per page.
  @inline(__always)
  private static func forEachRange(_ block: BlockPointer, _ body: (UInt32, UInt32) -> Void) {
    let start = block.pointee.physical
    let inFirst = min(block.pointee.length, 0x1000 - (start & 0xFFF))
    if inFirst > 0 { body(start, start &+ inFirst) }
    if block.pointee.secondPage != Block.noPage, block.pointee.length > inFirst {
      body(block.pointee.secondPage, block.pointee.secondPage &+ (block.pointee.length - inFirst))
    }
  }

  package func codeWritten(physical: UInt32, length: UInt32) {
    let page = physical & ~0xFFF
    let first = (physical & 0xFFF) >> 6
    let last = min(((physical & 0xFFF) + length - 1) >> 6, 63)
    let written = (UInt64.max >> UInt64(63 - (last - first))) << UInt64(first)
    let index = Int(page >> 12)
    pages[index].writes &+= 1
    let dropsAll = pages[index].writes >= Self.writesUntilDropped
    guard dropsAll || pages[index].occupied & written != 0 else { return }
    var kept: BlockPointer?
    var occupied: UInt64 = 0
    var hit = false
    var next = pages[Int(page >> 12)].blocks
    while let block = next {
      let isFirstPage = block.pointee.physical & ~0xFFF == page
      next = isFirstPage ? block.pointee.nextInPage : block.pointee.nextInSecondPage
      var overlaps = dropsAll
      Self.forEachRange(block) { start, end in
        if physical &- start < end &- start || start &- physical < length { overlaps = true }
      }
      if overlaps {
        hit = true
        drop(block, from: page)
      } else {
        if isFirstPage {
          block.pointee.nextInPage = kept
        } else {
          block.pointee.nextInSecondPage = kept
        }
        kept = block
        occupied |= Self.bits(of: block, in: page)
      }
    }
    pages[index].blocks = kept
    pages[index].occupied = occupied
    // Without code the page is data like any other, until code is decoded from it again.
    if kept == nil { cpu.memory.unmarkCode(page: page) }
    if hit {
      cpu.pointee.stop |= UInt32(STOP_CODE.rawValue)
      cpu.pointee.codeGeneration &+= 1
    }
  }

  /// Makes a block unreachable; its memory comes back with the next flush, so it may be running.
  private func drop(_ block: BlockPointer, from page: UInt32) {
    invalidated += 1
    if block.pointee.translation != 0 { blockDropped(block) }
    unlinkFromSlot(block)
    let first = block.pointee.physical & ~0xFFF
    let second = block.pointee.secondPage
    guard second != Block.noPage, second != first else { return }
    let other = page == first ? second : first
    unlink(block, fromList: other)
  }

  private func unlinkFromSlot(_ block: BlockPointer) {
    let slot = Self.slot(block.pointee.physical)
    if table[slot] == block {
      table[slot] = block.pointee.nextInSlot
      return
    }
    var previous = table[slot]
    while let p = previous, p.pointee.nextInSlot != block { previous = p.pointee.nextInSlot }
    previous?.pointee.nextInSlot = block.pointee.nextInSlot
  }

  private func unlink(_ block: BlockPointer, fromList page: UInt32) {
    func next(_ b: BlockPointer) -> BlockPointer? {
      b.pointee.physical & ~0xFFF == page ? b.pointee.nextInPage : b.pointee.nextInSecondPage
    }
    var previous: BlockPointer?
    var current = pages[Int(page >> 12)].blocks
    while let b = current, b != block {
      previous = b
      current = next(b)
    }
    guard current == block else { return }
    if let previous {
      if previous.pointee.physical & ~0xFFF == page {
        previous.pointee.nextInPage = next(block)
      } else {
        previous.pointee.nextInSecondPage = next(block)
      }
    } else {
      pages[Int(page >> 12)].blocks = next(block)
    }
  }
}
