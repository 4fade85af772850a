# Goal: postgresql.auto.conf, which PostgreSQL reads after stolon.conf, cannot take the fence away from a master, and a
# standby that it would lead elsewhere is refused in words.
# Method: lines are written into the file of a standby and of a master, as an administrator, a base backup or a restore
# tool may do, and the server is restarted. A fence is proven by freezing etcd until the lease is over.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(nodes => 2, spec => { failInterval => '2s' });
$lab->make_table;
my $master = $lab->master;
my ($standby) = grep { $_ ne $master } $lab->nodes;

sub auto_conf { return $lab->dir . "/$_[0]/data/postgres/postgresql.auto.conf" }

sub write_auto_conf {
	my ($node, $text) = @_;
	open my $file, '>', auto_conf($node) or die auto_conf($node) . ": $!\n";
	print $file $text;
	close $file;
	return;
}

# ---- A standby that would follow somebody else

$lab->lab('stop', $standby);
write_auto_conf($standby, "work_mem = '5MB'\nprimary_conninfo = 'host=127.0.0.1 port=1'\nwal_sender_timeout = 77s\n");
my $logged = length $lab->log_text($standby);
$lab->lab('start', $standby);
my $said = StolonLab::poll_until('the launcher refuses to start the standby', sub {
	substr($lab->log_text($standby), $logged) =~ /(start as standby failed: .*)/ && $1;
});
is($said, 'start as standby failed: "' . auto_conf($standby) . '" sets primary_conninfo, '
	  . 'which stolon has to set on a standby: remove that from the file', 'the launcher says what is wrong and what to do');
is($lab->status->{members}{$standby}{postmaster}, undef, 'PostgreSQL was not started');
StolonLab::poll_until('stolonctl status tells the operator',
	sub { $lab->lab('stolonctl', 'status') =~ /auto\.conf" sets primary_conninfo/ });

write_auto_conf($standby, "work_mem = '5MB'\nwal_sender_timeout = 77s\n");
is($lab->wait_until_whole, $master, 'without that line it is started by itself, and follows');
is($lab->sql($standby, 'show work_mem'), '5MB', 'what stolon does not manage is the administrator\'s');
like(substr($lab->log_text($standby), $logged), qr/auto\.conf" sets wal_sender_timeout and overrides stolon\.conf/,
	'a parameter that is only overridden is told and does not keep a server from starting');

# ---- A master that would have no fence

# Once nobody else is known to be present, the master is named again at once and started as a primary.
$lab->lab('stop', $standby);
StolonLab::poll_until("$standby is no longer present",
	sub { $lab->etcdctl('get', '--keys-only', '--prefix', $lab->key('keepers/')) !~ m{(?:info|node)/$standby} });
write_auto_conf($master, "shared_preload_libraries = ''\nstolon.cluster_name = ''\nstolon.keeper_uid = 'nobody'\n");
my $before = $lab->status->{members}{$master}{postmaster};
$lab->fault('kill-postgres', $master);
StolonLab::poll_until('the master was restarted', sub {
	my $pid = $lab->status->{members}{$master}{postmaster};
	$pid && $pid != $before && $lab->sql($master, 'set stolon.allow_stale_reads = on; select not pg_is_in_recovery()') eq 't';
});
is($lab->sql($master, "set stolon.allow_stale_reads = on; select string_agg(setting, ' ' order by name) from pg_settings "
		. "where name in ('shared_preload_libraries', 'stolon.cluster_name', 'stolon.keeper_uid')"),
	"stolon lab $master", 'the extension is loaded, for this cluster and this keeper');
StolonLab::poll_until('the master answers again', sub { $lab->sql($master, 'select 1') eq '1' });

$lab->fault('freeze-etcd');
my ($code, $out, $err) = (0, '', '');
my $number = 0;
StolonLab::poll_until('the master falls silent with the store', sub {
	($code, $out, $err) = $lab->lab_may_fail('psql', $master, '-XAtqd', 'app', '-c', 'set stolon.fence_wait = 0',
		'-c', "insert into acked (source, number) values ('x', " . ++$number . ')');
	$code != 0;
}, 20);
isnt($code, 0, 'without the store the master acknowledges nothing');
like($err, qr/does not hold the master's lease/, 'because of the fence');
$lab->lab('heal', 'etcd');

write_auto_conf($master, '');
$lab->lab('start', $standby);
$lab->wait_until_whole;
done_testing();
