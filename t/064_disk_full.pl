# Goal: a master whose disk is full is replaced; nothing that was acknowledged and streamed is lost, and it comes back as a
# standby once there is room.
# Method: a lab in which the master's directory is a small file system of its own, which is filled to the last byte.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

die "needs root, to mount a file system; run the tests as root\n" if $> != 0;

my $directory;

sub run_or_die {
	my ($code, $out, $err) = StolonLab::run_command(@_);
	die "@_ failed: $err\n" if $code != 0;
	return;
}

sub unmount {
	run_or_die('umount', '--lazy', $directory) if $directory;
	undef $directory;
	return;
}

my $lab = StolonLab->new(nodes => 1, spec => { failInterval => '2s', pgParameters => { max_wal_size => '64MB' } });

END { my $code = $?; unmount(); $? = $code }

run_or_die('mkdir', '-p', $lab->dir . '/node2');
run_or_die('mount', '-t', 'tmpfs', '-o', 'size=700m,mode=0755', 'tmpfs', $lab->dir . '/node2');
$directory = $lab->dir . '/node2';
$lab->lab('add-node');
$lab->wait_until_whole;
$lab->fault('kill-postgres', 'node1');
is($lab->wait_for_master_other_than('node1'), 'node2', 'the node with the small disk is the master');
$lab->wait_until_whole;

my $result = $lab->prove_failover(
	lease_runs => 1,
	fault => sub {
		my $at = StolonLab::now();
		StolonLab::run_command('dd', 'if=/dev/zero', "of=$directory/filler", 'bs=1M');
		return $at;
	},
	heal => sub { unlink "$directory/filler" or die "filler: $!\n" });
my $failover = (grep { $_->{kind} eq 'failover' } $lab->history)[-1];
like($failover->{reason}, qr/unfit: less than minWalFreeSpace \(32 MiB\) is free where pg_wal lies/, "the history says why: $failover->{reason}");
unmount();
done_testing();
