# Goal: a wrong cluster name is noticed: stolonctl says that there is no such cluster, and a launcher
# with another cluster's data refuses to touch them.
# Method: a standby is stopped and started under another cluster name, then under the right one.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(nodes => 2);
my $master = $lab->master;
my ($standby) = grep { $_ ne $master } $lab->nodes;
my $before = $lab->clusterdata;

my ($code, $out, $err) = StolonLab::run_command($lab->client_exec, $lab->env('bin') . '/stolonctl',
	'status', '--cluster-name', 'other', '--store-endpoints', $lab->env('etcd'));
isnt($code, 0, 'stolonctl fails for a cluster that does not exist');
like($err, qr/other.*init|init.*other/s, "and says what to do ($err)");

$lab->lab('stop', $standby);
my $data = $lab->dir . "/$standby/data";
my $identity = fingerprint($data);
my $logged = length $lab->log_text($standby);
# The other cluster exists, and would like to have this node.
my $spec = $lab->write_file('spec.json', '{"initMode": "new"}');
$lab->lab('stolonctl', 'init', '--yes', '-f', $spec, '--cluster-name', 'other');
$lab->lab('start', $standby, '--', '--cluster-name', 'other');
my $said = StolonLab::poll_until('the launcher refuses', sub {
	substr($lab->log_text($standby), $logged) =~ /(error +launcher: refuse.*)/ && $1;
});
like($said, qr/"lab".*"other"|"other".*"lab"/, 'the launcher refuses and names both clusters');
diag($said);
is($lab->status->{members}{$standby}{postmaster}, undef, 'PostgreSQL was not started');
is(fingerprint($data), $identity, 'the data directory was not touched');

$lab->fault('kill-node', $standby);
$lab->lab('start', $standby);
is($lab->wait_until_whole, $master, 'under the right name the node is a standby again');
is($lab->clusterdata->{keepers}{$standby}{db}, $before->{keepers}{$standby}{db},
	'with the same data');
done_testing();

# What must not change: the names of the directories, the control file, the identity.
sub fingerprint {
	my ($directory) = @_;
	my ($code, $out) = StolonLab::run_command('sh', '-c',
		"cd $directory && ls && md5sum postgres/global/pg_control postgres/stolon.state "
		  . 'postgres/postgresql.conf postgres/PG_VERSION && ls postgres/pg_wal');
	return $out;
}
