# What programs of a Debian system write, the same on every correct machine. Run by dash.
export PATH=/usr/bin:/bin LC_ALL=C
cd /tmp

part() { echo "== $*"; }

part perl
perl -e '
  my ($h, %count) = (1);
  for my $i (1 .. 60000) { $h = ($h * 69069 + $i) & 0xffffffff; $count{$h % 97}++; }
  print "hash $h, ", scalar(keys %count), " classes\n";
  my $x = 0; $x += sin($_) * sqrt($_) / log($_ + 1) for 1 .. 20000;
  printf "sum %.9f %.3e %s\n", $x, 2 ** 0.5, 1e15 / 7;
  my $text = join " ", map { sprintf "%x", $_ * $_ } 1 .. 3000;
  my $n = () = $text =~ /(\w)\1/g; (my $u = $text) =~ tr/a-f/A-F/;
  print "pairs $n, ", length($u), "\n";
  print join(",", sort { $a <=> $b } map { $_ * 7919 % 101 } 1 .. 20), "\n";'

part data
perl -e '$s = 1; for (1 .. 150000) { $s = ($s * 1103515245 + 12345) & 0x7fffffff;
  print chr(97 + ($s >> 16) % 13), $_ % 11 ? "" : "\n"; }' >data
wc data
md5sum data
sha256sum data
gzip -n -9 <data >data.gz && gzip -dc data.gz | sha1sum; sha1sum data.gz
bzip2 <data >data.bz2 && bzip2 -dc data.bz2 | sha1sum; sha1sum data.bz2

part pipes
sort data | uniq -c | sort -rn | head -3
grep -c 'a.*b' data
sed 's/a\(.\)/\1A/g' data | tail -2
mawk '{ n[substr($0, 1, 1)] += length($0) } END { for (c in n) t += n[c] * n[c]; printf "%.6g\n", t }' data
seq 1 5000 | tac | paste -s -d+ | cut -c1-40
od -An -tx1 data.gz | head -2 | tail -1

part processes
i=0
while [ $i -lt 25 ]; do
  i=$((i + 1))
  ( echo $((i * i)) | cat | sed 's/$/,/' ) >>squares
done
tr -d '\n' <squares; echo
perl -e '
  $SIG{CHLD} = "DEFAULT"; my @kids;
  for my $i (1 .. 12) { my $p = fork; if (!$p) { my $x = 0; $x += $_ ^ $i for 1 .. 20000; exit($x % 251); } push @kids, $p; }
  my @ends = map { waitpid $_, 0; $? >> 8 } @kids; print "exits @ends\n";
  pipe R, W; if (!fork) { close R; print W "x" x 200000; exit } close W;
  my ($n, $b) = 0; $n += length $b while read R, $b, 4096; wait; print "piped $n\n";'

part signals
perl -e '
  my $n = 0; $SIG{USR1} = sub { $n++ }; kill "USR1", $$ for 1 .. 50; print "caught $n\n";
  $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; 1 while 1; }; print "endless loop: $@";
  if (!fork) { kill "SEGV", $$; sleep 9 } wait; print "died of ", $? & 127, "\n";'

part compiler
perl -e 'for my $i (1 .. 400) { print "int f$i(int a, int *b) { int s = $i; for (int k = 0; k < a; k++) { if (b[k] & $i) s += b[k] * k; else s ^= a << (k & 7); } return s; }\n" }' >program.c
tcc -c program.c -o program.o && sha256sum program.o
echo '== end'
