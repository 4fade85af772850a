# Goal: whatever happens, in whatever order: no two servers acknowledge anything in overlapping epochs, no primary answers
# from before what was acknowledged, and no acknowledged row that the winner of an election had is missing.
# Method: scripts/stress: faults at random under writers and readers that are connected directly to every node, and through
# the proxy; then their logs are checked. STOLON_STRESS_SEED and STOLON_STRESS_MINUTES (1.7) choose another run,
# STOLON_STRESS_KEEP names a directory for the logs of one that failed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $seed = $ENV{STOLON_STRESS_SEED} // int rand 1_000_000;
my $minutes = $ENV{STOLON_STRESS_MINUTES} // 1.7;
diag("seed $seed");
my $lab = StolonLab->new(net => 'netns', spec => { failInterval => $seed % 2 ? '2s' : '1s' });
my @keep = $ENV{STOLON_STRESS_KEEP} ? ('--keep', $ENV{STOLON_STRESS_KEEP}) : ();
my ($code, $out, $err) = StolonLab::run_command("$StolonLab::scripts/stress", '--dir', $lab->dir, '--seed', $seed,
	'--minutes', $minutes, @keep);
my @results = $out =~ /^((?:not )?ok - .*)$/mg;
for my $result (@results) {
	ok($result =~ /^ok/, $result =~ s/^(?:not )?ok - //r);
}
cmp_ok(scalar @results, '>=', 12, 'all checks were made');
is($code, 0, 'the run ended well');
diag($out, $err) if !Test::More->builder->is_passing;
diag($out =~ /^# .*? s: (\d+ faults;.*)$/m ? "seed $seed: $1" : "seed $seed");
done_testing();
