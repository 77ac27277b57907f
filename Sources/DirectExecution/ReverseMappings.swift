/// The linear pages at which physical pages are mapped: one for nearly every page, sometimes more.
struct ReverseMappings {
  private var first: [UInt32: UInt32] = [:]
  private var others: [UInt32: [UInt32]] = [:]

  mutating func add(_ physicalPage: UInt32, _ linear: UInt32) {
    guard let known = first.updateValue(linear, forKey: physicalPage), known != linear else {
      return
    }
    var list = others[physicalPage] ?? []
    list.removeAll { $0 == linear }
    list.append(known)
    others[physicalPage] = list
  }

  /// - Returns: the linear pages.
  mutating func remove(_ physicalPage: UInt32) -> [UInt32] {
    guard let last = first.removeValue(forKey: physicalPage) else { return [] }
    return (others.isEmpty ? nil : others.removeValue(forKey: physicalPage)).map { $0 + [last] }
      ?? [last]
  }

  mutating func removeAll() {
    first.removeAll(keepingCapacity: true)
    others.removeAll()
  }
}
