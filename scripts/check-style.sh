#!/usr/bin/env bash
# Style rules that the formatter does not know: unsafe pointers only in files named +Unsafe.swift,
# and no file so long that it hides its parts.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
while IFS= read -r file; do
  case $file in *+Unsafe.swift) continue ;; esac
  if grep -nE '\bUnsafe(Mutable)?(Raw)?(Buffer)?Pointer\b' "$file" | grep -vE '^[0-9]+: *(//|public typealias|typealias)'; then
    echo "$file: unsafe pointers belong into files named +Unsafe.swift" >&2
    status=1
  fi
done < <(git ls-files --cached --others --exclude-standard 'Sources/*.swift')

while IFS= read -r file; do
  lines=$(wc -l <"$file")
  if [ "$lines" -gt 800 ]; then
    echo "$file: $lines lines; split it by topic" >&2
    status=1
  fi
done < <(git ls-files --cached --others --exclude-standard 'Sources/*.swift' 'Sources/*.h')

exit $status
