# Goal: a rewind that is interrupted leaves nothing that is taken for a whole data directory: the keeper is cloned anew,
# the half rewound directory is kept, and so is the WAL that only it had (LESSONS C-4).
# Method: pg_rewind is held, once before it has done anything and once when it has done everything, by a script in its
# place. Then the launcher, or everything on the host, is killed with -9, and started again.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', spec => { initMode => 'new', failInterval => '8s', sleepInterval => '1s' });
$lab->make_table;
my $bin = qx(pg_config --bindir);
chomp $bin;

# PostgreSQL's programs, with a pg_rewind that waits, $when = "before" or "after", until it is killed.
sub programs_held {
	my ($when) = @_;
	my $programs = $lab->base . "/held-$when";
	my $reached = $lab->base . "/reached-$when";
	mkdir $programs;
	symlink $_, $programs . '/' . s{.*/}{}r for grep { !/pg_rewind$/ } glob("$bin/*");
	$lab->write_file("held-$when/pg_rewind", <<"SH");
#!/bin/sh
real() { $bin/pg_rewind "\$@"; }
case " \$* " in
*" --dry-run "*) real "\$@"; exit ;;
esac
[ $when = after ] && real "\$@"
echo > "$reached.\$\$"
exec sleep 600
SH
	chmod 0755, "$programs/pg_rewind";
	# The launcher runs as another user.
	chmod 0777, $lab->base;
	return ($programs, "$reached.*");
}

sub data_dir { return $lab->dir . "/$_[0]/data" }
sub inode { return (stat(data_dir($_[0]) . '/postgres'))[1] }
sub slurp { my ($path) = @_; local $/; open my $file, '<', $path or return ''; return <$file> // '' }

sub kill_launcher {
	my ($node) = @_;
	my $pid = JSON::PP::decode_json(slurp($lab->dir . '/lab.json'))->{members}{$node}{pid};
	kill 'KILL', $pid;
	return StolonLab::poll_until("the launcher of $node is gone", sub { !kill 0, $pid });
}

for my $case ([ before => \&kill_launcher ], [ after => sub { $lab->fault('kill-node', $_[0]) } ]) {
	my ($when, $fault) = @$case;
	my ($programs, $reached) = programs_held($when);
	my $old = $lab->master;
	my $inode = inode($old);
	my %earlier = map { $_ => 1 } glob(data_dir($old) . '/postgres.diverged-*');
	$lab->fault('cut', $old);
	$lab->sql($old, "insert into acked select 'lost_$when', n from generate_series(1, 5) n");
	$lab->fault('kill-node', $old);
	my $new = $lab->wait_for_master_other_than($old);
	$lab->lab('start', $old, '--', '--pg-bin-path', $programs);
	$lab->lab('heal', $old);
	StolonLab::poll_until('pg_rewind is held', sub { my ($file) = glob $reached; $file });
	ok(-e data_dir($old) . '/postgres.rewinding', "$when: a note tells of the rewind");
	unlike(slurp(data_dir($old) . '/postgres/stolon.state'), qr/"$old"/, 'the data call themselves the master\'s')
	  if $when eq 'after';

	$fault->($old);
	$lab->lab('heal', $old);
	is($lab->wait_until_whole, $new, "$when: $old streams from $new");
	isnt(inode($old), $inode, 'it was cloned anew');
	my ($log) = $lab->log_text($old);
	like($log, qr/a new incarnation is wanted: a rewind of what lies here was interrupted/, 'and the log says why');
	ok(!-e data_dir($old) . '/postgres.rewinding', 'the note is gone');
	is($lab->sql($old, "select count(*) from acked where source like 'lost%'"), 0, 'no lost row is there');

	my @aside = grep { !$earlier{$_} } glob(data_dir($old) . '/postgres.diverged-*');
	my ($whole) = grep { -e "$_/PG_VERSION" } @aside;
	my ($wal) = grep { !-e "$_/PG_VERSION" } @aside;
	is((stat $whole)[1], $inode, 'the half rewound directory is kept');
	like(slurp("$wal/REPORT.txt"), qr/^Commits: +1;/m, 'and so is the WAL that only it had');
}
done_testing();
