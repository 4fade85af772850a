# Goal: a last master whose disk has gone back to an older state is not taken for what it was. After an outage of everything a
# standby that has all takes over instead of it; alone it stays down and says why, and goes on when its newer data are back.
# Method: the data directory of the idle master is copied; rows are added, everything is killed, and the copy takes the place of
# the directory.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '3s' });
$lab->make_table;
my $rows = 0;

# Returns when all nodes have flushed what was written.
sub add_rows {
	my ($master) = @_;
	$lab->sql($master, qq{insert into acked select 'all', n from generate_series($rows + 1, $rows + 20000) n});
	$rows += 20000;
	return $lab->wait_until_told($master, $lab->wait_until_flushed($master));
}

# The master last: nobody can be elected in its place while one host after the other dies.
sub kill_nodes {
	my ($master) = @_;
	$lab->fault('kill-node', $_) for (grep { $_ ne $master } $lab->nodes), $master;
	ok((grep { $lab->master eq $_ } '', $master), "nobody was elected in the place of $master");
	return;
}

sub count_rows { my ($node) = @_; return $lab->sql($node, q{select count(*) from acked where source = 'all'}) }

sub copy {
	my ($from, $to) = @_;
	system('cp', '-a', $from, $to) == 0 or die "cp $from $to failed\n";
	return;
}

my $master = $lab->master;
my $data = $lab->dir . "/$master/data/postgres";
my $older = $lab->base . '/older';
$lab->sql($master, 'checkpoint');
copy($data, $older);
add_rows($master);

# ---- With standbys that have everything
kill_nodes($master);
my $newer = $lab->base . '/newer';
rename $data, $newer or die "$data: $!\n";
copy($older, $data);
$lab->lab('heal', $master);
$lab->lab('heal', $_) for grep { $_ ne $master } $lab->nodes;
my $new = $lab->wait_for_master_other_than($master);
is($lab->wait_until_whole, $new, 'a standby is the master in its place');
is(count_rows($_), $rows, "$_ has every row") for $lab->nodes;

# ---- Alone
$master = $new;
$data = $lab->dir . "/$master/data/postgres";
my $other = $lab->base . '/other';
$lab->sql($master, 'checkpoint');
copy($data, $other);
add_rows($master);
kill_nodes($master);
my $kept = $lab->base . '/kept';
rename $data, $kept or die "$data: $!\n";
copy($other, $data);
StolonLab::poll_until('nobody seems to be there', sub { !grep { $lab->published("keepers/info/$_") } $lab->nodes });
$lab->lab('heal', $master);
StolonLab::poll_until("the launcher of $master refuses", sub { (($lab->published("keepers/node/$master") // {})->{phase} // '') eq 'refusing' });
like($lab->published("keepers/node/$master")->{message}, qr/its server told the cluster of WAL up to .*, which is not here: these data are older/,
	'and tells what is wrong');
ok((grep { $lab->master eq $_ } '', $master), 'nobody else is named');
$lab->fault('kill-node', $master);
rename $data, "$other.used" or die "$data: $!\n";
rename $kept, $data or die "$kept: $!\n";
$lab->lab('heal', $master);
StolonLab::poll_until("$master takes writes", sub { $lab->sql($master, 'select not pg_is_in_recovery()') eq 't' });
$lab->lab('heal', $_) for grep { $_ ne $master } $lab->nodes;
is($lab->wait_until_whole, $master, 'with its newer data back it goes on');
is(count_rows($_), $rows, "$_ has every row") for $lab->nodes;
done_testing();
