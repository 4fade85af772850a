# Goal: a server that was rewound, and has not got the WAL that makes its data consistent, is no standby yet: it could never be
# promoted. When its upstream crashes or goes away, that one stays the master, with its data, and the rewound server goes on.
# Method: two nodes. The master is cut off with rows of its own, and rewound while much is written on the other one; before it
# is started, the role that it streams with may log in no more. Then the new master crashes, and its host.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use SlotTools qw(db_of);
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', nodes => 2, spec => {
	failInterval => '4s', sleepInterval => '1s', standbyRepairTimeout => '0s',
	# Nothing but that it is not whole is to keep the rewound server from winning.
	maxStandbyLag => 2**30 });
$lab->make_table;
my $bin = qx(pg_config --bindir);
chomp $bin;

# PostgreSQL's programs; pg_rewind makes "rewound" when it has done its work, and does not end while "held" is there.
my $base = $lab->base;
mkdir "$base/programs";
symlink $_, "$base/programs/" . s{.*/}{}r for grep { !/pg_rewind$/ } glob("$bin/*");
$lab->write_file('programs/pg_rewind', <<"SH");
#!/bin/sh
$bin/pg_rewind "\$@" || exit
case "\$*" in *--dry-run*) exit 0 ;; esac
: > $base/rewound
while [ -e $base/held ]; do sleep 0.1; done
SH
chmod 0755, "$base/programs/pg_rewind";
# The launcher runs as another user.
chmod 0777, $base;

sub info { return $lab->published("keepers/info/$_[0]") }

# One line of pg_controldata.
sub control {
	my ($node, $what) = @_;
	my $data = $lab->dir . "/$node/data/postgres";
	return qx($bin/pg_controldata '$data' 2>/dev/null) =~ /^\Q$what\E: +(\S+)/m ? $1 : '';
}

# ---- Rewound while its upstream writes, and then without a stream

my $old = $lab->master;
$lab->fault('cut', $old);
$lab->sql($old, q{insert into acked select 'lost', n from generate_series(1, 5) n});
$lab->fault('kill-node', $old);
my $master = $lab->wait_for_master_other_than($old);
StolonLab::poll_until("$master takes writes", sub { $lab->sql($master, q{insert into acked values ('after', 1)}); 1 });
$lab->sql($master, 'create table filler (n int, text text); grant all on filler to app');
my @writers = map {
	$lab->spawn(undef, $lab->client_exec, 'psql', '-X', '-d', $lab->dsn($master), '-c',
		q{do $$ begin loop insert into filler select n, repeat('x', 200) from generate_series(1, 20) n; commit; perform pg_sleep(0.001); end loop; end $$})
} 1 .. 2;
$lab->write_file('held', '');
$lab->lab('start', $old, '--', '--pg-bin-path', "$base/programs");
$lab->lab('heal', $old);
StolonLab::poll_until("$old is rewound", sub { -e "$base/rewound" });
$lab->sql($master, 'alter role stolon_repl nologin');
$lab->sql($master, q{select pg_terminate_backend(pid) from pg_stat_activity where query like 'do %'});
waitpid $_, 0 for @writers;
my $rows = $lab->sql($master, 'select count(*) from filler');
unlink "$base/held";
StolonLab::poll_until("$old runs and has found all its WAL", sub {
	my $info = info($old);
	$info && $info->{role} eq 'standby' && $info->{position} && ($info->{trouble} // '') =~ /not permitted to log in/;
});
my $wanted = control($old, 'Minimum recovery ending location');
my $reached = info($old)->{position}{lsn};
cmp_ok(StolonLab::lsn_value($reached), '<', StolonLab::lsn_value($wanted), "$old lacks WAL: it is at $reached and needs that up to $wanted");
my %db = map { $_ => db_of($lab, $_) } $old, $master;
ok(info($old)->{inconsistent}, 'its keeper says so');
is($lab->clusterdata->{dbs}{ $db{$old} }{init}, 'resync', 'and it is not taken for a standby');

# ---- Its upstream crashes, and goes away

my $epoch = $lab->clusterdata->{epoch};
$lab->fault('kill-postgres', $master);
StolonLab::poll_until("$master is back", sub { $lab->sql($master, q{insert into acked values ('after', 2)}); 1 });
is($lab->master, $master, "$master was started again in place");
is($lab->clusterdata->{epoch}, $epoch, '... and there was no election');

$lab->fault('kill-node', $master);
my $said = StolonLab::poll_until('a sentinel says that nobody can take over', sub {
	(map { $lab->log_text($_) =~ /(S-05: .*nobody can take over.*)/ ? $1 : () } 'sentinel1', 'sentinel2')[0];
});
like($said, qr/$db{$old} on $old: it is a copy that is not whole/, 'it says why');
my $until = StolonLab::now() + 5e6;
my %named;
StolonLab::poll_until('5 s have passed', sub { $named{ $lab->published('master')->{db} } = 1; StolonLab::now() >= $until });
is(join(' ', keys %named), $db{$master}, 'nobody else was named meanwhile');

# ---- It comes back

$lab->lab('start', $master);
StolonLab::poll_until("$master takes writes", sub { $lab->sql($master, q{insert into acked values ('after', 3)}); 1 });
is($lab->master, $master, "$master is the master again");
is(db_of($lab, $master), $db{$master}, 'with its data');
$lab->sql($master, 'alter role stolon_repl login');
is($lab->wait_until_whole, $master, "$old streams from it");
is(db_of($lab, $old), $db{$old}, '... with the data that were rewound');
StolonLab::poll_until('it is a standby like any other', sub {
	!info($old)->{inconsistent} && $lab->clusterdata->{dbs}{ $db{$old} }{init} eq 'none';
});
$lab->check_same_rows('in the end');
is($lab->sql($old, 'select count(*) from filler'), $rows, 'nothing is lost');
done_testing();
