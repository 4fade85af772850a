# Goal: two labs live side by side, commands reach the right one, and "lab down" leaves no process,
# whatever state the lab is in.
# Method: two labs on loopback; in one of them hosts are killed and frozen before it is removed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my @labs = map { StolonLab->new(nodes => 2, sentinels => 1) } 1 .. 2;
for my $lab (@labs) {
	$lab->make_table;
	$lab->sql($lab->master, "insert into acked values ('self', $$), ('" . $lab->dir . "', 1)");
}
for my $lab (@labs) {
	is($lab->sql($lab->master, "select source from acked where number = 1"),
		$lab->dir, 'a node has what was written to it');
	my ($code, $out) = StolonLab::run_command('psql', $lab->env('dsn'), '-XAtc',
		'select source from acked where number = 1');
	is($out, $lab->dir . "\n", 'the proxy leads to the same cluster');
}

my ($code, $out, $err) = $labs[0]->lab_may_fail('up');
isnt($code, 0, 'a second lab in the same directory is refused');
like($err, qr/already has a lab/, 'and the message says why');
($code, $out, $err) = $labs[0]->lab_may_fail('fault', 'cut', 'node1');
isnt($code, 0, 'on loopback nothing can be cut');
like($err, qr/netns/, 'and the message says what to do');
($code, $out, $err) = $labs[0]->lab_may_fail('fault', 'freeze', 'node9');
like($err, qr/node9.*node1/, 'an unknown member is named, with those that exist');

my $dir = $labs[0]->dir;
$labs[0]->fault('freeze', 'node1');
$labs[0]->fault('kill-node', 'node2');
is($labs[0]->status->{members}{node1}{state}, 'frozen', 'status shows the frozen node');
$labs[0]->lab('down');
my ($none, $processes) = StolonLab::run_command('ps', '-eo', 'pid,args', '-ww');
# The guard of this test is no part of the lab; it is going to end by itself.
my @left = grep { /\Q$dir\E/ && !/ guard / } split /\n/, $processes;
is("@left", '', 'no process is left');
ok(!-e $dir, 'nor a file');
is($labs[1]->sql($labs[1]->master, 'select 1'), '1', 'the other lab lives on');
done_testing();
