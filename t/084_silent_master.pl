# Goal: whoever begins a transaction while the master has been silent for seconds waits for the next master, and sees no
# error: it does not get stuck on a connection to the lost one.
# Method: the master is cut off, the pool is full of connections to it, and the election is far away.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use PsqlSessions;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', spec => { failInterval => '10s' });
my @sessions = open_sessions($lab, 4);
my $old = $lab->master;
# On a busy machine the server may have been silent for a moment before.
sub pauses { my @all = $lab->log_text('proxy1') =~ /P-09/g; return scalar @all }
my $before = pauses();
$lab->fault('cut', $old);
StolonLab::poll_until('clients are let wait because the master is silent', sub { pauses() > $before });
is($lab->master, $old, 'the old master is still named');
$_->ask for @sessions;
my $new = $lab->wait_for_master_other_than($old);
answered_without_error(@sessions);
$lab->lab('heal', $old);
is($lab->wait_until_whole, $new, 'all is well');
done_testing();
